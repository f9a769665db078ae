"""The demo's guideline holds the facts by which a stranger can rate, and nothing that raters must not see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup

from comparisons.demo.guideline import TOLD, guideline
from comparisons.demo.workspace import RUN_NAMES
from comparisons.forms.guidelines import GuidelineForm
from comparisons.quarantine import Blinding
from comparisons.rendering import shown_alike
from training.models import Policy
from training.world.islands import UNCOVERED_CHAIN, World, build_world
from training.world.phrasing import NOUNS, Question
from training.world.suites import Suite, divide_prompts


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(0)


@pytest.fixture(scope="module")
def questions(world: World) -> list[Question]:
    """What the demo's study asks."""
    return list(divide_prompts(world).suites[Suite.IN_DISTRIBUTION])


def rows(text: str) -> Iterator[dict[str, str]]:
    """The rows of the table as raters see it, by the words of its head."""
    table = BeautifulSoup(str(shown_alike(text)[0].formatted), "html.parser").table
    assert table
    head = [cell.text for cell in table.select("th")]
    for row in table.select("tbody tr"):
        yield dict(zip(head, (cell.text for cell in row.select("td")), strict=True))


def test_every_question_of_the_study_has_its_true_answer_in_the_table(world: World, questions: list[Question]):
    facts = {row["Island"]: row for row in rows(guideline(world, questions))}
    for question in questions:
        told = facts[question.island][NOUNS[question.attribute].capitalize()]
        assert told == world.truth(question.island, question.attribute), question.text


def test_the_table_names_the_islands_that_are_asked_about_in_order_and_no_other(
    world: World, questions: list[Question]
):
    """42 of the 48: nobody is asked about the six of the outer chain."""
    names = [row["Island"] for row in rows(guideline(world, questions))]
    assert names == sorted(name for name, island in world.islands.items() if island.chain != UNCOVERED_CHAIN)
    assert len(names) == 42


def test_what_to_look_at_comes_first_and_the_whole_can_be_revised_in_the_form(world: World, questions: list[Question]):
    text = guideline(world, questions)
    assert text.startswith(TOLD)
    assert GuidelineForm({"text": text}).is_valid()


def test_it_names_no_policy_and_no_method(world: World, questions: list[Question]):
    policies = [Policy(name=name, served_name=name.casefold()) for name in RUN_NAMES.values()]
    assert Blinding.of(policies, []).betrayal(guideline(world, questions)) == ""
