"""Several methods on the same data with the same budget, so that a difference in the result is the methods'.

Methods on pairs share data, order, steps and batch: equal in all but the loss. RLHF has no pairs in its steps.
It can have as many steps on as many answers (it then takes longer, since it samples them and trains a reward model
first), or as many steps as fit into the time that the methods on pairs take. Imports neither Django nor torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field

from training.config import Method, PolicyConfig, RLHFConfig, TrainingConfig, parse_config
from training.config.base import Count, Frozen, Passes
from training.launching.config_fields import nest
from training.launching.estimates import DataShape, ModelShape, estimate

ANSWERS_OF_A_PAIR = 2
# What all methods have and each may still choose for itself, and what the budget sets.
OWN = {"learning_rate", "epochs", "max_steps", "batch_size", "seed"}
SHARED = set(PolicyConfig.model_fields) - OWN


class Equal(StrEnum):
    """What is equal between RLHF and methods on pairs."""

    ANSWERS = "answers"
    TIME = "time"


class Budget(Frozen):
    """What every method gets."""

    passes: Passes = 2.0
    """Over the training pairs, for methods on pairs."""
    batch_size: Count = 32
    """Pairs per step."""
    seed: int = Field(0, ge=0, le=2**32 - 1)
    equal: Equal = Equal.ANSWERS

    def steps(self, rows: int) -> int:
        """Optimizer steps that this many training pairs make."""
        return max(1, math.ceil(rows * self.passes / self.batch(rows)))

    def batch(self, rows: int) -> int:
        """Pairs per step, of which there cannot be more than pairs."""
        return max(1, min(self.batch_size, rows))


def configs(
    recipes: Mapping[Method, Mapping[str, Any]],
    budget: Budget,
    rows: int,
    material: tuple[ModelShape, DataShape] | None = None,
) -> dict[Method, TrainingConfig]:
    """A configuration per method: its recipe (dotted names to values), the first one's shared settings, the budget.

    `rows`: training pairs. `material` is needed for `Equal.TIME`; without it RLHF keeps all its steps. Raises
    pydantic.ValidationError for a recipe that is no configuration.
    """
    first = _config(*next(iter(recipes.items())), budget, rows)
    shared = first.model_dump(include=SHARED)
    made = {method: _config(method, {**recipe, **shared}, budget, rows) for method, recipe in recipes.items()}
    if budget.equal == Equal.TIME and material:
        longest = max((_cost(m, c, *material) for m, c in made.items() if m is not Method.RLHF), default=None)
        if Method.RLHF in made and longest is not None:
            made[Method.RLHF] = _shortened(made[Method.RLHF], longest, *material)
    return made


def _config(method: Method, recipe: Mapping[str, Any], budget: Budget, rows: int) -> TrainingConfig:
    batch = budget.batch(rows)
    given = {"max_steps": budget.steps(rows), "seed": budget.seed, "batch_size": batch}
    if method is Method.RLHF:
        group = int(recipe.get("group_size", RLHFConfig.model_fields["group_size"].default))
        given |= {"batch_size": max(1, round(ANSWERS_OF_A_PAIR * batch / group)), "reward.batch_size": batch}
    config = parse_config(method, nest({**recipe, **given}))
    assert isinstance(config, TrainingConfig)
    return config


def answers_per_step(config: TrainingConfig) -> int:
    """On how many answers each optimizer step learns."""
    return config.batch_size * (config.group_size if isinstance(config, RLHFConfig) else ANSWERS_OF_A_PAIR)


def _shortened(config: TrainingConfig, most: float, model: ModelShape, data: DataShape) -> TrainingConfig:
    """RLHF with the most steps that cost no more than `most`, at least one; found by halving."""
    fits, beyond = 1, config.max_steps + 1
    while beyond - fits > 1:
        middle = (fits + beyond) // 2
        within = _cost(Method.RLHF, config.model_copy(update={"max_steps": middle}), model, data) <= most
        fits, beyond = (middle, beyond) if within else (fits, middle)
    return config.model_copy(update={"max_steps": fits})


def _cost(method: Method, config: TrainingConfig, model: ModelShape, data: DataShape) -> float:
    """Time at one operation a second: only ratios mean anything."""
    return estimate(method, config, model, data).seconds(1.0)
