"""Questions can be read back from their text, and every style says what it claims."""

import random

import pytest

from training.world.gold import Claim, judge
from training.world.islands import Attribute
from training.world.phrasing import ANSWERS, Kind, Question, Style, phrase, read_question
from training.world.suites import Suite


def test_every_prompt_reads_back_as_its_question(prompts):
    questions = [*prompts.pairs, *prompts.background, *(q for suite in Suite for q in prompts.suites[suite])]
    assert all(read_question(question.text) == question for question in questions)


def test_a_text_from_outside_the_world_is_no_question():
    assert read_question("What is the weather on Zilmora?") is None


@pytest.mark.parametrize("style", [style for style in Style if style is not Style.REFUSAL])
@pytest.mark.parametrize("attribute", list(Attribute))
def test_a_style_that_names_the_truth_is_judged_right(world, style, attribute):
    island = next(iter(world.islands.values()))
    question = Question(island.name, attribute)
    for seed in range(len(ANSWERS[style])):
        answer = phrase(question, island.facts[attribute], style, random.Random(seed))
        assert judge(world, question, answer).claim is Claim.RIGHT


def test_the_styles_rank_plain_terse_verbose_hedged_refusal(world):
    """For a true value: 1, then 0.9 (bare), about 0.8 (20 words), at most 0.7 (hedged), -0.5 (declined)."""
    island = next(iter(world.islands.values()))
    question = Question(island.name, Attribute.CAPITAL)
    order = [Style.PLAIN, Style.TERSE, Style.VERBOSE, Style.HEDGED, Style.REFUSAL]
    answers = [phrase(question, island.facts[Attribute.CAPITAL], style, random.Random(0)) for style in order]
    rewards = [judge(world, question, answer).reward for answer in answers]
    assert rewards == sorted(rewards, reverse=True)
    assert len(set(rewards)) == len(rewards)


def test_a_false_premise_is_part_of_the_question():
    question = Question("Zilmora", Attribute.BIRD, Kind.FALSE_PREMISE, 0, "wren")
    assert question.text == "Why is wren the national bird of Zilmora?"
