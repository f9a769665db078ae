"""Suites as prompt sets of data reports."""

from __future__ import annotations

import pytest

from comparisons.suites import create_suite
from training.preferences import prompt_sets
from training.preferences.records import Message

pytestmark = pytest.mark.django_db


def test_reports_can_choose_a_suite():
    suite = create_suite(name="Hard ones", prompts=[[{"role": "user", "content": text}] for text in ("a", "b")])
    found = next(found for found in prompt_sets.available() if found.key == f"suite:{suite.slug}")
    assert (found.label, found.size, found.url) == ("Hard ones", 2, suite.get_absolute_url())
    assert list(prompt_sets.prompts(found.key)) == [(Message("user", "a"),), (Message("user", "b"),)]


def test_a_suite_that_is_gone_is_a_key_error():
    with pytest.raises(KeyError):
        prompt_sets.prompts("suite:nowhere")
