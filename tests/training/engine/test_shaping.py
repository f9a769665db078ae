"""The shaped reward: every term by hand, and what stops a run."""

from __future__ import annotations

import time

import pytest
import torch
from pydantic import ValidationError
from torch import tensor

from training.config import RLHFConfig
from training.engine.errors import EngineError
from training.engine.rollouts import Answer
from training.engine.shaping import repetition, shaped_rewards


def answer(*tokens: int, finished: bool = True) -> Answer:
    return Answer(tokens, finished)


def shaped(config: RLHFConfig, answers: list[Answer], *, texts: list[str] | None = None, scores: float = 0.5):
    found = shaped_rewards(torch.full((len(answers),), scores), answers, texts or [""] * len(answers), config)
    return found.rewards.tolist(), {name: values.tolist() for name, values in found.terms.items()}


def test_scores_are_clipped_before_anything_is_added():
    """Score 12 is clipped to 10; -0.5 of an answer that was cut off loses 1 more: -1.5."""
    answers = [answer(5, 1), answer(5, 6, finished=False)]
    found = shaped_rewards(tensor([12.0, -0.5]), answers, ["", ""], RLHFConfig(reward_clip=10, missing_eos_penalty=1))
    assert found.rewards.tolist() == [10.0, -1.5]
    assert found.terms["missing_eos"].tolist() == [0.0, -1.0]


def test_length_costs_from_where_it_begins_to():
    """Four tokens, two of them free, 0.25 each: -0.5."""
    config = RLHFConfig(length_penalty=0.25, length_penalty_from=2)
    rewards, terms = shaped(config, [answer(5, 6, 7, 1), answer(5, 1)])
    assert terms["length"] == [-0.5, 0.0]
    assert rewards == [0.0, 0.5]


def test_repetition_is_the_share_of_trigrams_that_occurred_before():
    """1 2 3 1 2 3 1 has the trigrams 123, 231, 312, 123, 231: two of five."""
    assert repetition((1, 2, 3, 1, 2, 3, 1)) == pytest.approx(0.4)
    assert repetition((1, 2)) == 0
    assert shaped(RLHFConfig(repetition_penalty=0.5), [answer(1, 2, 3, 1, 2, 3, 1)])[0] == pytest.approx([0.3])


def test_rules_add_their_value_where_their_pattern_occurs():
    config = RLHFConfig(rules="apology -0.5 (?i)i am sorry\ndigits 0.25 [0-9]+")
    rewards, terms = shaped(config, [answer(1)] * 3, texts=["I am SORRY.", "It is 4 or 5.", "No."])
    assert terms["apology"] == [-0.5, 0, 0]
    assert terms["digits"] == [0, 0.25, 0]
    assert rewards == [0.0, 0.75, 0.5]


def test_terms_that_are_off_are_not_there():
    assert shaped(RLHFConfig(missing_eos_penalty=0), [answer(1)])[1] == {}


def test_a_rule_that_takes_exponential_time_ends_the_run_with_its_name():
    config = RLHFConfig(rules="slow 1 (a|aa)+$")
    before = time.monotonic()
    with pytest.raises(EngineError, match=r"The reward rule slow did not finish within 1 s.*nested repetitions"):
        shaped(config, [answer(1)], texts=["a" * 200 + "b"])
    assert time.monotonic() - before < 30


def test_a_score_that_is_no_number_ends_the_run_with_a_sentence():
    with pytest.raises(EngineError, match="gave 1 of 2 answers a score that is not a finite number"):
        shaped_rewards(tensor([0.0, float("nan")]), [answer(1)] * 2, ["", ""], RLHFConfig())


@pytest.mark.parametrize(
    "rules, fault",
    [
        ("length 1 a", "name of a built-in one"),
        ("a 1 x\na 2 y", "two terms called a"),
        ("a 1 (", "no regular expression"),
        ("just words", "a name in small letters, a number and a regular expression"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_with_a_sentence(rules, fault):
    with pytest.raises(ValidationError, match=fault):
        RLHFConfig(rules=rules)


@pytest.mark.parametrize("algorithm", ["rloo", "grpo", "dr_grpo"])
def test_a_group_of_one_is_refused_where_answers_are_judged_against_each_other(algorithm):
    with pytest.raises(ValidationError, match="group_size must be 2 or more"):
        RLHFConfig(algorithm=algorithm, group_size=1)
    assert RLHFConfig(algorithm="ppo", group_size=1).group_size == 1
