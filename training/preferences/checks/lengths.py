"""Whether length alone tells the chosen answer from the rejected one."""

from __future__ import annotations

from training.preferences.checks.findings import Level, harms, row_numbers
from training.preferences.intervals import wilson
from training.preferences.survey import Survey

NOTABLE = 0.05
"""Heuristic: a share this far from one half is worth a warning, provided the interval excludes one half."""

UNEQUAL = "is_pair AND chosen_length <> rejected_length AND label <> 0.5"
LONGER_WINS = "((chosen_length > rejected_length) = (label > 0.5))"
SHARES = f"""
SELECT count(*), sum(weight), coalesce(sum(weight) FILTER ({LONGER_WINS}), 0), sum(weight * weight)
FROM measures WHERE {UNEQUAL}
"""


def longer_answers_win(survey: Survey) -> None:
    """The share of pairs whose longer answer is the better one, among pairs of unequal length (in characters).

    Pairs count by their weight, as a run counts them. A label below one half turns a pair round; one half prefers
    neither answer and does not count.
    """
    total, weight, longer, squares = survey.database.execute(SHARES).fetchone() or (0, 0, 0, 0)
    if not total:
        return
    winner, such, share = ("longer", "", longer / weight)
    if share < 0.5:
        winner, such, share = "shorter", "NOT", 1 - share
    effective = weight**2 / squares
    low, high = wilson(share * effective, effective)
    biased = low > 0.5 and share - 0.5 > NOTABLE
    rows = row_numbers(survey.database, f"SELECT row FROM measures WHERE {UNEQUAL} AND {such} {LONGER_WINS}")
    if biased:
        sentence = f"The {winner} answer tends to be the chosen one, among pairs whose lengths differ."
        action = f"{_balance(share, winner)} Compare the answers' lengths after training."
    else:
        sentence = f"Length decides little: of unequal answers the {winner} one is chosen in {share:.1%}."
        action = "Nothing to do."
    survey.found.add(
        "length_bias",
        sentence,
        harms=harms(
            Level.WARNING if biased else Level.INFO,
            dpo="A policy learns what separates the answers; where length does, it learns length.",
            cpo="A policy learns what separates the answers; the floor does not know that length is beside the point.",
            rlhf="The reward model pays for length, and RL will find that out.",
        ),
        action=action,
        actions=("weight",) if biased and share < 1 else (),
        threshold=f"A warning when the share by weight is more than {100 * NOTABLE:.0f} points from one half and its "
        "interval excludes that, a heuristic.",
        count=len(rows),
        total=total,
        rows=rows if biased else (),
        share=(share, low, high),
    )


def _balance(share: float, winner: str) -> str:
    """How both sides come to weigh the same, where a weight can do that."""
    if share == 1:
        return f"No weight balances this, because the {winner} answer always wins: add pairs in which it loses."
    return f"Multiply the weight of these pairs by {(1 - share) / share:.2g}: both sides then weigh the same."
