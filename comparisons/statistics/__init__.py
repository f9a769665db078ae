"""Statistics of judgements: pure functions of plain numpy arrays; no database, no names of people or policies.

Policies, from votes (votes.py says what a vote is):
shares.py        a share with Wilson's interval
win_rates.py     who was preferred to whom, and how often
strengths/       models of ties, maximum likelihood, errors by rater and prompt, intervals for all pairs at once
style.py         what an answer looks like; controlled.py: strengths at equal length and style
groups.py        strata and pools: each for itself, and whether they disagree
fragility.py     how few votes, raters or prompts carry a result
planning.py      votes, hours and money for a precision; how many more; the stop rule; selection.py: the next pair
verdicts.py      all of it in sentences
Raters:
agreement.py     percent agreement, Cohen's and Fleiss' κ, Krippendorff's α, Gwet's AC1; rater with rater; entropy
bootstrap.py     intervals from units drawn again
aggregation/     majority, Dawid-Skene, MACE, GLAD: the label an item probably deserves, how good each rater is
raters.py        sides, lengths, repeats, checks and pace of each rater
exclusion.py     what is suspicious in them, in words; rules that leave raters out
label_noise.py   how often a consensus label is wrong, and the label smoothing that follows

There a judgement is one entry in arrays of one length n: `unit` (what was judged), `rater` (who judged) and `value`
(what was said). All three are any integers; what they stand for is the caller's affair.
"""
