"""Statistics of judgements: pure functions of plain numpy arrays; no database, no names of people or policies.

Strengths: votes.py, shares.py, strengths/, controlled.py, fragility.py, planning.py, selection.py, verdicts.py.
Raters:
agreement.py     percent agreement, Cohen's and Fleiss' κ, Krippendorff's α, Gwet's AC1; rater with rater; entropy
bootstrap.py     intervals from units drawn again
aggregation/     majority, Dawid-Skene, MACE, GLAD: the label an item probably deserves, how good each rater is

There a judgement is one entry in arrays of one length n: `unit` (what was judged), `rater` (who judged) and `value`
(what was said). All three are any integers; what they stand for is the caller's affair.
"""
