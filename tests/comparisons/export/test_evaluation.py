"""Prompts that are held for evaluation never become training data."""

from __future__ import annotations

import pytest

from comparisons.export import Dropped, Export, Rule
from comparisons.models import Prompt, Suite
from comparisons.suites import digest_of
from tests.comparisons.export.material import adjudicate, study_with
from tests.comparisons.rating_factories import make_prompt

pytestmark = pytest.mark.django_db


def held_suite(*prompts: str) -> Suite:
    suite = Suite.objects.create(slug="held", name="Held", held_for_evaluation=True)
    for position, text in enumerate(prompts):
        make_prompt(suite, position, text)
    return suite


def dropped(study):
    return Export(study, Rule()).summary.dropped


def test_a_prompt_of_a_held_suite_gives_no_pair_whichever_suite_the_study_took_it_from():
    study = study_with([["first"], ["first"], ["first"]])
    held_suite("Question 1?")
    assert dropped(study) == {Dropped.EVALUATION: 1}
    assert all(pair.prompt[0].content != "Question 1?" for pair in Export(study, Rule()).pairs())


def test_case_and_white_space_do_not_open_the_door():
    study = study_with([["first"], ["first"]])
    held_suite("  question\n0? ")
    assert dropped(study) == {Dropped.EVALUATION: 1}


def test_the_whole_conversation_counts():
    """The same last question after another beginning is another prompt."""
    study = study_with([["first"], ["first"]])
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Yes?"}]
    one, other = (item.prompt for item in study.items.order_by("position"))
    for prompt, greeting in ((one, "Hello"), (other, "Good day")):
        messages = [{"role": "user", "content": greeting}, turns[1], {"role": "user", "content": "How far?"}]
        Prompt.objects.filter(pk=prompt.pk).update(messages=messages, sha256=digest_of(messages))
    held_suite()
    held = Prompt(suite=Suite.objects.get(slug="held"), position=0)
    held.messages = [*turns, {"role": "user", "content": "how FAR?"}]
    held.sha256 = digest_of(held.messages)
    held.save()
    assert dropped(study) == {Dropped.EVALUATION: 1}


def test_no_vote_and_no_adjudication_opens_the_door():
    from comparisons.models import Verdict

    study = study_with([["first", "first"]])
    adjudicate(study.items.get(), Verdict.FIRST)
    held_suite("Question 0?")
    assert dropped(study) == {Dropped.EVALUATION: 1}


def test_a_study_on_a_held_suite_alone_gives_nothing():
    study = study_with([["first"], ["second"]])
    study.suites.update(held_for_evaluation=True)
    assert Export(study, Rule()).summary.rows == 0


def test_suites_that_are_not_held_keep_nothing_out():
    study = study_with([["first"]])
    held_suite("Question 0?")
    Suite.objects.update(held_for_evaluation=False)
    assert dropped(study) == {}
