"""The step with which a finding's button begins a recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.training.preferences.pairs import pair
from training.forms.cleaning import StepForm
from training.preferences.cleaning.recipes import Drop
from training.preferences.cleaning.wording import said
from training.preferences.filters import Filter
from training.preferences.report import report_on
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit
from training.views.cleaning import _first_step


@pytest.mark.parametrize(
    "rule, action, step",
    [
        ("near_duplicates", "merge", "Merge near duplicates, weights added up: rows found by “near duplicates”"),
        ("repeats", "merge", "Merge exact repeats, weights added up: rows found by “repeats”"),
        ("label_noise", "soften", "Soften labels to 1 - P(label is wrong) of each row: all rows"),
        ("contradictions", "soften", "Soften labels to 0.8: rows found by “contradictions”"),
    ],
)
def test_an_action_at_a_finding_is_about_what_was_found(rule, action, step):
    assert said(_first_step(action, rule, "")) == step


def test_pairs_that_length_decides_are_given_the_weight_at_which_both_sides_are_even(tmp_path):
    """60 of 100: their weight is multiplied by 40 / 60."""
    pairs = [pair(f"p{n}", "aaa", "b") if n < 60 else pair(f"p{n}", "a", "bbb") for n in range(100)]
    report = report_on(seal_pairs(pairs, tmp_path, PromptSplit()).path)
    step = _first_step("weight", "length_bias", "", report)
    assert said(step) == "Multiply weights by 0.666667: rows found by “length bias”"


def test_a_step_by_a_language_that_was_not_looked_for_everywhere_says_so(tmp_path):
    note = "Named for 20 rows drawn at random."
    report = replace(report_on(seal_pairs([pair()], tmp_path, PromptSplit()).path), notes={"languages": note})
    assert StepForm.of(Drop(rows=Filter(language="de")), report).caution == note
    assert StepForm.of(Drop(rows=Filter(tag="x")), report).caution == ""
