"""Whether length alone tells the chosen answer from the rejected one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.preferences.checks.findings import Findings, Level, count_and_rows, whole_number
from training.preferences.intervals import wilson

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A share this far from one half is worth a warning, provided the interval excludes one half.
NOTABLE = 0.05


def longer_answers_win(database: DuckDBPyConnection, found: Findings) -> None:
    """The share of pairs whose longer answer is chosen, among pairs of unequal length (in characters)."""
    total = whole_number(database, "SELECT count(*) FROM measures WHERE is_pair AND chosen_length <> rejected_length")
    if not total:
        return
    longer = whole_number(database, "SELECT count(*) FROM measures WHERE chosen_length > rejected_length")
    low, high = wilson(longer, total)
    biased = (low > 0.5 or high < 0.5) and abs(longer / total - 0.5) > NOTABLE
    winner, side = ("longer", ">") if longer * 2 >= total else ("shorter", "<")
    count, rows = count_and_rows(database, f"SELECT row FROM measures WHERE chosen_length {side} rejected_length")
    if biased:
        sentence = f"The {winner} answer tends to be the chosen one, among pairs whose lengths differ."
        action = "Compare the answers' lengths after training; balance the pairs by length if they drift."
    else:
        sentence = f"Longer and shorter answers are chosen about equally often; the {winner} ones in this share:"
        action = "Nothing to do."
    found.add(
        "length_bias",
        Level.WARNING if biased else Level.INFO,
        sentence,
        why="A policy learns what separates the answers; where length does, it learns length.",
        action=action,
        count=count,
        total=total,
        rows=rows if biased else (),
    )
