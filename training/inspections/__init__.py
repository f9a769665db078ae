"""What an inspection found: how a reference, a policy or a reward model ranks the pairs of a dataset version.

measure.py   from scores and texts of pairs to the figures (NumPy; called by the trainer)
slices.py    which slices of the data a pair belongs to
traits.py    words and forms by which the model ranks, beside how the labels rank by them
summary.py   the figures as one frozen value, written to RUN_DIR/inspection/summary.json
words.py     headline, verdicts, and what they mean for the next run
pairs.py     RUN_DIR/inspection/pairs.parquet: the pairs behind a figure
pictures.py  figures as coordinates for server-rendered SVG

Imports neither torch nor Django. Every threshold is a constant with its source in words.py.
"""
