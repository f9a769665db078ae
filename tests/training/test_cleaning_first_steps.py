"""The step with which a finding's button begins a recipe."""

from __future__ import annotations

import pytest

from training.preferences.cleaning.wording import said
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
