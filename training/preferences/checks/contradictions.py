"""Rows that say the opposite of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.preferences.checks.findings import Findings, Level, count_and_rows, counted, whole_number

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BOTH_WAYS = """
SELECT row FROM measures AS one
WHERE is_pair AND EXISTS (
    FROM measures AS other
    WHERE other.is_pair AND other.prompt_hash = one.prompt_hash
      AND other.chosen_hash = one.rejected_hash AND other.rejected_hash = one.chosen_hash
)
"""


def pairs_labelled_both_ways(database: DuckDBPyConnection, found: Findings) -> None:
    """The same two answers to the same prompt, once preferred one way and once the other."""
    count, rows = count_and_rows(database, BOTH_WAYS)
    total = whole_number(database, "SELECT count(*) FROM measures WHERE is_pair")
    if count:
        found.add(
            "contradictions",
            Level.ERROR if count / total > 0.05 else Level.WARNING,
            f"{counted(count, 'pair contradicts', 'pairs contradict')} another: the same answers, preferred both ways.",
            why="Half of these labels are wrong for anybody who is consistent; opposite pairs cancel out or add noise.",
            action="Decide each by a further vote, or leave both out.",
            count=count,
            total=total,
            rows=rows,
        )
