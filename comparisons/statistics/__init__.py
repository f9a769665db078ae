"""Statistics of judgements: pure functions of plain numpy arrays; no database, no names of people or policies.

Strengths: votes.py, shares.py, strengths/, controlled.py, fragility.py, planning.py, selection.py, verdicts.py.
Raters: agreement.py, bootstrap.py, aggregation/, raters.py, label_noise.py.
"""
