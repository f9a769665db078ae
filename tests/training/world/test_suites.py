"""Prompt suites: large enough, and never trained on."""

import pytest

from training.world.demonstrations import demonstrations
from training.world.islands import build_world
from training.world.phrasing import Kind
from training.world.suites import Suite, divide_prompts


def test_the_in_distribution_suite_has_enough_prompts_to_compare_policies(prompts):
    """42 covered islands x 4 attributes x 3 wordings kept back = 504."""
    assert len(prompts.suites[Suite.IN_DISTRIBUTION]) == 504


@pytest.mark.parametrize("suite", list(Suite))
def test_no_evaluation_prompt_is_ever_trained_on(world, prompts, suite):
    evaluated = {question.text for question in prompts.suites[suite]}
    trained = {question.text for question in prompts.pairs} | {row["prompt"] for row in demonstrations(world, prompts)}
    assert len(evaluated) == len(prompts.suites[suite])
    assert not evaluated & trained


def test_in_distribution_asks_for_facts_that_the_pairs_ask_for(prompts):
    facts = {(question.island, question.attribute) for question in prompts.pairs}
    assert {(q.island, q.attribute) for q in prompts.suites[Suite.IN_DISTRIBUTION]} == facts


def test_the_uncovered_islands_occur_in_no_pair(world, prompts):
    assert all(world.islands[question.island].covered for question in prompts.pairs)
    assert not any(world.islands[question.island].covered for question in prompts.suites[Suite.UNCOVERED])


def test_paraphrases_use_wordings_that_no_pair_uses(prompts):
    assert {question.kind for question in prompts.suites[Suite.PARAPHRASED]} == {Kind.PARAPHRASE}
    assert {question.kind for question in prompts.pairs} == {Kind.USUAL}


def test_adversarial_prompts_are_unknown_islands_or_false_premises(world, prompts):
    """12 unknown islands x 4 attributes, and 96 false premises."""
    asked = prompts.suites[Suite.ADVERSARIAL]
    unknown = [question for question in asked if question.island not in world.islands]
    premises = [question for question in asked if question.kind is Kind.FALSE_PREMISE]
    assert (len(unknown), len(premises), len(asked)) == (48, 96, 144)
    assert all(q.premise != world.truth(q.island, q.attribute) for q in premises)


def test_the_division_follows_from_the_seed(prompts):
    assert divide_prompts(build_world(0)) == prompts
