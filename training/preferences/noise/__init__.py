"""How many labels of a version are wrong, and which: an out-of-fold model of the pairs, without torch.

words.py     texts as hashed words
features.py  antisymmetric features of pairs, sparse
model.py     logistic regression in folds of prompts: how sure the other prompts' pairs are of a pair's label
estimate.py  the share of wrong labels from those margins, with an interval, and P(wrong) per pair
triads.py    what three answers judged all against each other say of that share, where margins alone cannot tell it

Nothing here knows a survey, a sealed file or Django; training.preferences.checks.noise applies it to a version.
"""
