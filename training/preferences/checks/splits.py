"""Whether a run on this version could be judged on rows it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.preferences.checks.findings import Findings, Level, whole_number

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def nothing_held_out(database: DuckDBPyConnection, found: Findings) -> None:
    """No row is held out: the share was 0, or there is only one prompt."""
    if whole_number(database, "SELECT count(*) FROM measures WHERE split = 'held_out'"):
        return
    total = whole_number(database, "SELECT count(*) FROM measures")
    prompts = whole_number(database, "SELECT count(DISTINCT prompt_hash) FROM measures")
    cause = "all rows share one prompt" if prompts == 1 else "the held-out share is 0"
    found.add(
        "nothing_held_out",
        Level.WARNING,
        f"No row is held out: {cause}.",
        why="Held-out accuracy cannot be measured, so nothing shows when a run memorises its rows.",
        action="Import again with a held-out share, or with more prompts.",
        count=0,
        total=total,
        is_share=False,
    )
