"""From judgements to training data: an explicit rule, what it leaves out and why, files, sealed versions, a data card.

rules.py           the rule on one item; pure
judgements.py      what was said, as arrays          raters.py       pseudonyms, and who is left out
evaluation.py      prompts that never become data    consensus.py    a decision on every item
hard_negatives.py  pairs from both-bad items         provenance.py   what a pair says of its origin
pairs.py           Export: pairs, streamed, and the counts
noise.py           how often its labels are wrong
card.py            the data card                     files.py        JSON Lines, Parquet, Hugging Face folder
versions.py        sealed versions, which comparisons/sealing.py has workers make
"""

from .files import Form, as_folder, as_json_lines, as_parquet
from .pairs import Export, Summary
from .rules import BothBad, Certainty, Consensus, Decision, Disagreement, Dropped, Rule, Tally, Ties
from .versions import join_version, make_version

__all__ = [
    "BothBad",
    "Certainty",
    "Consensus",
    "Decision",
    "Disagreement",
    "Dropped",
    "Export",
    "Form",
    "Rule",
    "Summary",
    "Tally",
    "Ties",
    "as_folder",
    "as_json_lines",
    "as_parquet",
    "join_version",
    "make_version",
]
