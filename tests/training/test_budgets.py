"""Equal budgets: what every method gets, in steps, answers and time."""

from __future__ import annotations

from typing import Any

import pytest

from training.config import Method, RLHFConfig
from training.launching.budgets import Budget, Equal, answers_per_step, configs
from training.launching.estimates import DataShape, ModelShape, estimate

RECIPES: dict[Method, dict[str, Any]] = {
    Method.DPO: {"beta": 0.3, "learning_rate": 5e-4, "max_length": 128},
    Method.CPO: {"beta": 0.5, "max_length": 512, "precision": "bf16"},
    Method.RLHF: {"group_size": 4, "learning_rate": 1e-4, "reward.epochs": 2.0, "max_length": 256},
}
MODEL = ModelShape(1_000_000, 4, 128, 344, 128, 128, 700)
DATA = DataShape(rows=900, prompts=600, prompt=20, chosen=15, rejected=15)


def test_methods_on_pairs_get_the_same_steps_pairs_and_seed():
    """900 pairs twice are 1,800, in batches of 32: 56.25, so 57 steps."""
    made = configs(RECIPES, Budget(passes=2, batch_size=32, seed=7), 900)
    assert [made[method].max_steps for method in RECIPES] == [57, 57, 57]
    assert [made[method].batch_size for method in (Method.DPO, Method.CPO)] == [32, 32]
    assert {config.seed for config in made.values()} == {7}


def test_rlhf_learns_from_as_many_answers_a_step():
    """32 pairs are 64 answers: 16 prompts of four. The reward model sees the pairs in batches of 32."""
    rlhf = configs(RECIPES, Budget(), 900)[Method.RLHF]
    assert isinstance(rlhf, RLHFConfig)
    assert (rlhf.batch_size, answers_per_step(rlhf), rlhf.reward.batch_size) == (16, 64, 32)


def test_what_all_methods_have_is_taken_from_the_first_and_what_is_their_own_is_kept():
    made = configs(RECIPES, Budget(), 900)
    assert {config.max_length for config in made.values()} == {128}
    assert {config.precision for config in made.values()} == {"fp32"}
    assert [made[method].learning_rate for method in RECIPES] == [5e-4, 1e-4, 1e-4]
    assert made[Method.CPO].model_dump()["beta"] == 0.5


def test_a_batch_is_never_larger_than_the_data():
    """20 pairs in two passes of 20: two steps; 40 answers are 10 prompts of four."""
    made = configs(RECIPES, Budget(batch_size=32), 20)
    assert (made[Method.DPO].batch_size, made[Method.DPO].max_steps) == (20, 2)
    assert made[Method.RLHF].batch_size == 10


def test_rlhf_with_the_same_time_takes_the_most_steps_that_fit():
    made = configs(RECIPES, Budget(passes=20, equal=Equal.TIME), 900, (MODEL, DATA))
    most = max(estimate(method, made[method], MODEL, DATA).seconds(1.0) for method in (Method.DPO, Method.CPO))

    def seconds(steps: int) -> float:
        rlhf = made[Method.RLHF].model_copy(update={"max_steps": steps})
        return estimate(Method.RLHF, rlhf, MODEL, DATA).seconds(1.0)

    taken = made[Method.RLHF].max_steps
    assert 1 < taken < made[Method.DPO].max_steps
    assert seconds(taken) <= most < seconds(taken + 1)


@pytest.mark.parametrize("recipes", [{Method.RLHF: {}}, RECIPES])
def test_without_something_to_be_equal_to_or_sizes_rlhf_keeps_its_steps(recipes):
    material = (MODEL, DATA) if len(recipes) == 1 else None
    assert configs(recipes, Budget(equal=Equal.TIME), 900, material)[Method.RLHF].max_steps == 57
