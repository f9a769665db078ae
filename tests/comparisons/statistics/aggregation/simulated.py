"""Simulated raters of known accuracy, for the tests of aggregation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comparisons.statistics.aggregation.labels import Labels
from comparisons.statistics.votes import Bools, Floats, Ints


@dataclass(frozen=True)
class Simulated:
    """`truth` (I,), `accuracy` (R,) and `spammer` (R,) behind the labels."""

    labels: Labels
    truth: Ints
    accuracy: Floats
    spammer: Bools


def simulated(
    seed: int, items: int, raters: int, votes: int, classes: int = 2, spammers: float = 0.0, low: float = 0.65
) -> Simulated:
    """Every item gets `votes` labels by raters drawn without replacement; honest accuracies are even on [low, 0.95],
    errors are equally likely, and spammers say anything."""
    chance = np.random.default_rng(seed)
    truth = chance.integers(0, classes, items)
    spammer = np.zeros(raters, dtype=bool)
    spammer[chance.permutation(raters)[: round(spammers * raters)]] = True
    accuracy = np.where(spammer, 1 / classes, chance.uniform(low, 0.95, raters))
    item = np.repeat(np.arange(items), votes)
    rater = np.argsort(chance.random((items, raters)), axis=1)[:, :votes].ravel()
    right = chance.random(len(item)) < accuracy[rater]
    other = (truth[item] + chance.integers(1, classes, len(item))) % classes
    labels = Labels.of(item, rater, np.where(right, truth[item], other), classes)
    assert labels.items == items
    assert labels.raters == raters
    return Simulated(labels, truth, accuracy, spammer)


def share_right(posterior: Floats, truth: Ints) -> float:
    """How often the class with the highest entry is the true one, classes that tie for it sharing the item."""
    best = posterior >= posterior.max(axis=1, keepdims=True) - 1e-9
    return float((best[np.arange(len(truth)), truth] / best.sum(axis=1)).mean())
