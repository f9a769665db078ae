"""What a closed study found, from rows to the plain figures its page shows. The arithmetic is in statistics/.

judgements.py   counted judgements as columns, narrowed to a kind of prompts, a pool, or raters that a rule keeps
standings.py    strengths, who beats whom, verdicts for each kind of prompts and each pool
agreement.py    how far raters agree, overall and item by item
people.py       each rater's judgements
costs.py        what each policy cost to train and how it served the study
robustness.py   what would change the result: equal style, a few votes, single raters or prompts
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
