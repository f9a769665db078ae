"""Checks of a sealed version: one function per rule, each adding to one collector.

A rule takes the connection with the table `measures` (`store.measured`) and the collector; it adds a
finding where there is something to say and nothing otherwise. To add a rule, write the function
and name it in RULES.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from training.preferences.checks.answers import answers_that_differ_only_in_space, rows_without_a_rejected_answer
from training.preferences.checks.contradictions import pairs_labelled_both_ways
from training.preferences.checks.duplicates import repeated_rows
from training.preferences.checks.findings import Findings
from training.preferences.checks.lengths import longer_answers_win
from training.preferences.checks.splits import nothing_held_out

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Rule = Callable[["DuckDBPyConnection", Findings], None]

RULES: tuple[Rule, ...] = (
    pairs_labelled_both_ways,
    repeated_rows,
    answers_that_differ_only_in_space,
    rows_without_a_rejected_answer,
    nothing_held_out,
    longer_answers_win,
)
# To be raised whenever a rule or the form of a report changes: reports are then made anew.
RULES_VERSION = 1


def run_checks(database: DuckDBPyConnection) -> Findings:
    """What all rules find."""
    found = Findings()
    for rule in RULES:
        rule(database, found)
    return found
