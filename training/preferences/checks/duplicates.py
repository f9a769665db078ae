"""Rows that say the same thing again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.preferences.checks.findings import Findings, Level, count_and_rows, counted, whole_number

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REPEATS = """
SELECT row FROM measures
QUALIFY row_number() OVER (PARTITION BY prompt_hash, chosen_hash, rejected_hash ORDER BY row) > 1
"""


def repeated_rows(database: DuckDBPyConnection, found: Findings) -> None:
    """Exact repeats of an earlier row: same prompt, same answers, same label."""
    count, rows = count_and_rows(database, REPEATS)
    total = whole_number(database, "SELECT count(*) FROM measures")
    if count:
        found.add(
            "repeats",
            Level.WARNING if count / total > 0.01 else Level.INFO,
            f"{counted(count, 'row repeats', 'rows repeat')} an earlier row exactly.",
            why="A repeated pair counts as often as it occurs: it is learnt harder than the others.",
            action="Keep the repeats only where they are votes of several people.",
            count=count,
            total=total,
            rows=rows,
        )
