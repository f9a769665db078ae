"""Whether length alone tells the chosen answer from the rejected one."""

from __future__ import annotations

from training.preferences.checks.findings import Level, harms, row_numbers, whole_number
from training.preferences.intervals import wilson
from training.preferences.survey import Survey

# A share this far from one half is worth a warning, provided the interval excludes one half.
NOTABLE = 0.05

UNEQUAL = "is_pair AND chosen_length <> rejected_length AND label <> 0.5"
LONGER_WINS = "((chosen_length > rejected_length) = (label > 0.5))"


def longer_answers_win(survey: Survey) -> None:
    """The share of pairs whose longer answer is the better one, among pairs of unequal length (in characters).

    A label below one half turns a pair round; one half prefers neither answer and does not count.
    """
    total = whole_number(survey.database, f"SELECT count(*) FROM measures WHERE {UNEQUAL}")
    if not total:
        return
    longer = whole_number(survey.database, f"SELECT count(*) FROM measures WHERE {UNEQUAL} AND {LONGER_WINS}")
    low, high = wilson(longer, total)
    biased = (low > 0.5 or high < 0.5) and abs(longer / total - 0.5) > NOTABLE
    winner, such = ("longer", "") if longer * 2 >= total else ("shorter", "NOT")
    rows = row_numbers(survey.database, f"SELECT row FROM measures WHERE {UNEQUAL} AND {such} {LONGER_WINS}")
    if biased:
        sentence = f"The {winner} answer tends to be the chosen one, among pairs whose lengths differ."
        action = "Compare the answers' lengths after training; balance the pairs by length if they drift."
    else:
        share = max(longer, total - longer) / total
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
        count=len(rows),
        total=total,
        rows=rows if biased else (),
    )
