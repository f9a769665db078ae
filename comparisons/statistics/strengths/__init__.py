"""Strengths of policies from votes.

models.py        Davidson, Rao and Kupper, ties as halves: likelihoods and derivatives
fitting.py       maximum likelihood by Newton's method
graph.py         who can be compared with whom; whether a maximum exists
clusters.py      errors clustered by rater and by prompt, right with few of either
evidence.py      a fit with the errors of any contrast; estimate.py: strengths and differences with intervals
simultaneous.py  critical values for all pairs at once
"""
