"""What a closed study found, from rows to the plain figures its page shows. The arithmetic is in statistics/.

judgements.py   counted judgements as columns, narrowed to a kind of prompts, a pool, or raters that a rule keeps
standings.py    strengths, who beats whom, verdicts for each kind of prompts and each pool
agreement.py    how far raters agree, overall and item by item
noise.py        how often labels that these judgements give would be wrong
people.py       each rater's judgements
pools.py        who belongs together, as it was when the study was closed
costs.py        what each policy cost to train and how it served the study
robustness.py   what would change the result: equal style, a few votes, single raters or prompts
disagreeing.py  where kinds of prompts, or pools of raters, disagree
settling.py     who wins items, whoever is believed
rows.py         the judgements behind a figure
page.py         all of it together
"""

from .judgements import Judgements, Look, Said, judgements_in, judgements_of
from .page import Results, gather, verdict_of
from .standings import Cell, Standing

__all__ = [
    "Cell",
    "Judgements",
    "Look",
    "Results",
    "Said",
    "Standing",
    "gather",
    "judgements_in",
    "judgements_of",
    "verdict_of",
]
