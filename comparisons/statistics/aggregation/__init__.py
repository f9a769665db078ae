"""From several people's labels of an item to the label it probably deserves, and to how good each rater is.

labels.py       the input; the most likely class of a posterior; how often raters are right, with intervals
majority.py     most votes win, every rater counting the same
dawid_skene.py  raters with confusions of their own (full) or one accuracy each (one coin)
mace.py         raters who sometimes guess
glad.py         raters of different ability, items of different difficulty

All are deterministic: they start from the shares of votes.
"""
