"""Rows whose answers give a method too little to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.preferences.checks.findings import Findings, Level, count_and_rows, counted, whole_number

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def answers_that_differ_only_in_space(database: DuckDBPyConnection, found: Findings) -> None:
    """Chosen and rejected are equal but for white space and case (equal ones are refused at import)."""
    count, rows = count_and_rows(database, "SELECT row FROM measures WHERE is_same_but_for_space")
    total = whole_number(database, "SELECT count(*) FROM measures WHERE is_pair")
    if count:
        found.add(
            "near_identical",
            Level.WARNING,
            f"In {counted(count, 'pair', 'pairs')} the answers differ only in white space or case.",
            why="Such a pair teaches formatting alone; its two log-probabilities are nearly equal.",
            action="Look at the rows; leave them out unless formatting is what you mean to teach.",
            count=count,
            total=total,
            rows=rows,
        )


def rows_without_a_rejected_answer(database: DuckDBPyConnection, found: Findings) -> None:
    """Demonstrations among pairs; a version of demonstrations alone is another kind and not a fault."""
    pairs = whole_number(database, "SELECT count(*) FROM measures WHERE is_pair")
    count, rows = count_and_rows(database, "SELECT row FROM measures WHERE NOT is_pair")
    if count and pairs:
        found.add(
            "no_rejected",
            Level.WARNING,
            f"{counted(count, 'row has', 'rows have')} no rejected answer.",
            why="Only supervised fine-tuning can use them; DPO, constrained CPO and RLHF leave them out.",
            action="Import them as a dataset of their own, or complete them.",
            count=count,
            total=count + pairs,
            rows=rows,
        )
