"""Preference pairs: ordered by the true reward, wrong at the set rate, never from the hole or a suite."""

from statistics import mean

import pytest

from training.world.gold import prefer
from training.world.pairs import PairRule, preference_pairs
from training.world.phrasing import read_question
from training.world.suites import Suite


def true_preference(world, row):
    question = read_question(row["prompt"])
    assert question is not None
    return prefer(world, question, row["chosen"], row["rejected"])


@pytest.fixture
def answers(world, prompts):
    """Six answers to each prompt: three right in different styles, a wrong one, one that declines, a repetition."""
    sampled = {}
    for question in prompts.pairs:
        truth = world.truth(question.island, question.attribute)
        wrong = next(value for value in world.values(question.attribute) if value != truth)
        sampled[question] = [
            f"The answer is {truth}.", f"{truth}.", f"I think it is {truth}.", f"It is {wrong}.", "I do not know it.",
            f"{truth}.",
        ]  # fmt: skip
    return sampled


def test_without_errors_every_chosen_answer_has_the_higher_true_reward(world, prompts, answers):
    rows = preference_pairs(world, prompts, answers, PairRule(error_rate=0.0))
    assert len(rows) == 4000
    assert all(true_preference(world, row) == 1 for row in rows)


def test_labels_are_turned_round_at_the_set_rate(world, prompts, answers):
    """840 prompts x 5 pairs = 4,200; the share's standard deviation is sqrt(0.1 * 0.9 / 4200) = 0.0046."""
    rows = preference_pairs(world, prompts, answers, PairRule(error_rate=0.1, limit=0))
    assert len(rows) == 4200
    assert abs(mean(row["mislabelled"] for row in rows) - 0.1) < 4 * 0.0046
    for row in rows:
        assert true_preference(world, row) == (-1 if row["mislabelled"] else 1)


def test_ties_and_repetitions_make_no_pair(world, prompts):
    question = prompts.pairs[0]
    truth = world.truth(question.island, question.attribute)
    sampled = {question: [f"The answer is {truth}.", f"The answer is {truth}.", f"The reply is {truth}."]}
    assert preference_pairs(world, prompts, sampled) == []


@pytest.mark.parametrize("suite", list(Suite))
def test_evaluation_prompts_are_refused(world, prompts, suite):
    with pytest.raises(ValueError, match="may not be used for preference pairs"):
        preference_pairs(world, prompts, {prompts.suites[suite][0]: ["a", "b"]})


def test_the_same_answers_give_the_same_pairs(world, prompts, answers):
    reordered = dict(reversed(answers.items()))
    assert preference_pairs(world, prompts, answers) == preference_pairs(world, prompts, reordered)
