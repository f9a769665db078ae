"""Judgements by hand and simulated sittings, for the tests of raters."""

from __future__ import annotations

from typing import Any

import numpy as np

from comparisons.statistics.raters import FIRST, NO_CHECK, SECOND, Judgements

DEFAULTS: dict[str, Any] = {
    "rater": 0,
    "said": FIRST,
    "first_is_a": True,
    "seconds": 30.0,
    "first_length": 100.0,
    "second_length": 100.0,
    "check": NO_CHECK,
    "right": False,
    "repeats": -1,
}


def judgements(count: int, **columns: Any) -> Judgements:
    """`count` judgements of different items, half a minute apart; single values stand for whole columns."""
    filled = {"item": np.arange(count), "at": 30.0 * np.arange(count), **DEFAULTS, **columns}
    return Judgements(**{name: np.broadcast_to(np.asarray(value), count).copy() for name, value in filled.items()})


def sitting(
    seed: int, raters: int = 6, items: int = 400, accuracy: float = 0.8, by_length: float = 0.0, left: float = 0.0
) -> Judgements:
    """Every rater judges every item: the truth with chance `accuracy`; before that, with chance `left`, the left answer
    whatever it says; `by_length`: how much the log-odds of an answer rise per e-fold of its length."""
    chance = np.random.default_rng(seed)
    rater, item = np.repeat(np.arange(raters), items), np.tile(np.arange(items), raters)
    truth = chance.integers(0, 2, items)
    lengths = np.exp(chance.normal(5, 0.5, (2, items)))[:, item]
    worth = np.log(accuracy / (1 - accuracy)) * np.where(truth[item] == FIRST, 1, -1)
    odds = worth + by_length * np.log(lengths[0] / lengths[1])
    said = np.where(chance.random(len(item)) < 1 / (1 + np.exp(-odds)), FIRST, SECOND)
    first_is_a = chance.random(len(item)) < 0.5
    habit = chance.random(len(item)) < left
    said = np.where(habit, np.where(first_is_a, FIRST, SECOND), said)
    return judgements(
        len(item),
        rater=rater,
        item=item,
        said=said,
        first_is_a=first_is_a,
        seconds=chance.lognormal(3.4, 0.4, len(item)),
        first_length=lengths[0],
        second_length=lengths[1],
    )
