"""All rules, in the order in which they are applied.

A rule takes a `Survey`; it adds a finding to `survey.found` where there is something to say and nothing otherwise, and
may leave scores per row. To add a rule, write the function and name it in RULES: identity.py sees the change, and all
reports are made anew.
"""

from __future__ import annotations

from collections.abc import Callable

from training.preferences.checks.answers import answers_that_differ_only_in_space, rows_without_a_rejected_answer
from training.preferences.checks.artefacts import traits_of_better_answers
from training.preferences.checks.contradictions import pairs_labelled_both_ways
from training.preferences.checks.coverage import topics_of_the_prompts
from training.preferences.checks.cycles import preferences_in_a_circle
from training.preferences.checks.duplicates import repeated_rows
from training.preferences.checks.languages import languages_of_prompts
from training.preferences.checks.leaks import evaluation_prompts_in_the_data
from training.preferences.checks.lengths import longer_answers_win
from training.preferences.checks.near_duplicates import nearly_repeated_rows
from training.preferences.checks.noise import labels_that_look_wrong
from training.preferences.checks.personal_data import personal_data
from training.preferences.checks.position import shown_first_wins
from training.preferences.checks.raters import raters
from training.preferences.checks.splits import nothing_held_out
from training.preferences.checks.style import style_tells_the_better_answer
from training.preferences.checks.tokens import token_lengths
from training.preferences.survey import Survey

Rule = Callable[[Survey], None]

RULES: tuple[Rule, ...] = (
    pairs_labelled_both_ways,
    preferences_in_a_circle,
    repeated_rows,
    nearly_repeated_rows,
    answers_that_differ_only_in_space,
    rows_without_a_rejected_answer,
    evaluation_prompts_in_the_data,
    nothing_held_out,
    topics_of_the_prompts,
    longer_answers_win,
    style_tells_the_better_answer,
    traits_of_better_answers,
    shown_first_wins,
    labels_that_look_wrong,
    raters,
    token_lengths,
    languages_of_prompts,
    personal_data,
)


def run_checks(survey: Survey) -> None:
    """Apply every rule; what they find is in `survey.found`."""
    for number, rule in enumerate(RULES, start=1):
        survey.progress(f"{number} of {len(RULES)}: {rule.__name__.replace('_', ' ')}")
        rule(survey)
