"""What a version's prompts are about, and which topics of the prompts it will meet it has no pairs for.

prompts.py       the different prompts of a version, excerpts of them, a sample
vectors.py       prompts as vectors: TF-IDF, or what a model makes of them (embeddings.py), reduced by SVD
contrast.py      a classifier that tells the target from the data, each prompt judged by a model that never saw it
clusters.py      topics by k-means, the words that name them, the prompts that show them
comparison.py    how often each topic occurs in data and target, with intervals and a test
layout.py        the picture: topics in two dimensions
drawing.py       all of it, from a survey to a `Coverage`
reading.py       the map of a stored report, for pages and for filling gaps

The rule that reports it is checks/coverage.py; docs/coverage.md says how to read it.
"""
