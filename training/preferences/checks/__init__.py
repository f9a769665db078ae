"""Checks of a sealed version: one function per rule, each adding to one collector.

A rule takes a `Survey`; it adds a finding to `survey.found` where there is something to say and nothing otherwise, and
may leave scores per row. To add a rule, write the function and name it in RULES.
"""

from __future__ import annotations

from collections.abc import Callable

from training.preferences.checks.answers import answers_that_differ_only_in_space, rows_without_a_rejected_answer
from training.preferences.checks.contradictions import pairs_labelled_both_ways
from training.preferences.checks.cycles import preferences_in_a_circle
from training.preferences.checks.duplicates import repeated_rows
from training.preferences.checks.lengths import longer_answers_win
from training.preferences.checks.near_duplicates import near_duplicates
from training.preferences.checks.splits import nothing_held_out
from training.preferences.survey import Survey

Rule = Callable[[Survey], None]

RULES: tuple[Rule, ...] = (
    pairs_labelled_both_ways,
    preferences_in_a_circle,
    repeated_rows,
    near_duplicates,
    answers_that_differ_only_in_space,
    rows_without_a_rejected_answer,
    nothing_held_out,
    longer_answers_win,
)
# To be raised whenever a rule or the form of a report changes: reports are then made anew.
RULES_VERSION = 2


def run_checks(survey: Survey) -> None:
    """Apply every rule; what they find is in `survey.found`."""
    for rule in RULES:
        survey.progress(rule.__name__.replace("_", " "))
        rule(survey)
