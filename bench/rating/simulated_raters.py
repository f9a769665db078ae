"""Studies whose truth is known: what each item deserves, how each rater errs, who only pretends to look.

An honest rater prefers the better answer with a chance even on [0.7, 0.95], else mostly the other answer; calls a true
tie one with a chance even on [0.3, 0.8] and both bad so on [0.4, 0.9], else mostly picks an answer. Spammers take
turns: one says anything, one always the left answer, one always tie, one tie in two of three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comparisons.statistics.aggregation.labels import Labels
from comparisons.statistics.raters import BOTH_BAD, FIRST, NO_CHECK, SECOND, Judgements
from comparisons.statistics.votes import Bools, Floats, Ints

PRIORS = np.array([0.4, 0.4, 0.12, 0.08])
"""Of the first answer, the second, tie, both bad."""


@dataclass(frozen=True)
class Study:
    """`truth` (I,), `accuracy` (R,) and `spammer` (R,) behind the judgements; `labels` are the same without sides."""

    judgements: Judgements
    labels: Labels
    truth: Ints
    accuracy: Floats
    spammer: Bools


def study(seed: int, items: int, raters: int, votes: int, spammers: float = 0.0) -> Study:
    """Every item gets `votes` judgements by different raters, each judging about as many."""
    chance = np.random.default_rng(seed)
    truth = chance.choice(4, items, p=PRIORS)
    spammer = np.zeros(raters, dtype=bool)
    spammer[chance.permutation(raters)[: round(spammers * raters)]] = True
    confusion = np.stack([honest(chance) for _ in range(raters)])
    for kind, place in enumerate(np.flatnonzero(spammer)):
        confusion[place] = spam(kind)
    item = np.repeat(np.arange(items), votes)
    # Shuffled raters, cut into groups of `votes`: nobody meets an item twice.
    whole = raters // votes * votes
    rows = [chance.permutation(raters)[:whole] for _ in range(-(-len(item) // whole))]
    rater = np.concatenate(rows)[: len(item)]
    reached = confusion[rater, truth[item]].cumsum(axis=1)
    said = (chance.random((len(item), 1)) > reached).sum(axis=1).clip(FIRST, BOTH_BAD)
    judgements = _judgements(chance, rater, item, said, spammer[rater])
    accuracy = np.einsum("k,rkk->r", PRIORS, confusion)
    return Study(judgements, Labels.of(item, rater, said, 4), truth, accuracy, spammer)


def honest(chance: np.random.Generator) -> Floats:
    """(4, 4): chance of what is said (last) by truth."""
    better, tie, both_bad = chance.uniform([0.7, 0.3, 0.4], [0.95, 0.8, 0.9])
    wrong, lost, missed = (1 - better) * np.array([0.6, 0.3, 0.1]), (1 - tie) / 2, (1 - both_bad) / 3
    return np.array(
        [
            [better, *wrong],
            [wrong[0], better, *wrong[1:]],
            [0.9 * lost, 0.9 * lost, tie, 0.2 * lost],
            [missed, missed, missed, both_bad],
        ]
    )


def spam(kind: int) -> Floats:
    """(4, 4): the same row whatever the truth. Always left is either answer, as sides are drawn by chance."""
    rows = [[0.25] * 4, [0.5, 0.5, 0, 0], [0, 0, 1, 0], [1 / 6, 1 / 6, 2 / 3, 0]]
    return np.tile(np.array(rows[kind % 4]), (4, 1))


def _judgements(chance: np.random.Generator, rater: Ints, item: Ints, said: Ints, spammer: Bools) -> Judgements:
    count = len(item)
    lengths = np.exp(chance.normal(6, 0.4, (2, int(item.max()) + 1)))[:, item]
    return Judgements(
        rater=rater,
        item=item,
        said=said,
        first_is_a=chance.random(count) < 0.5,
        seconds=chance.lognormal(3.4, 0.5, count) * np.where(spammer, 0.3, 1),
        at=np.arange(count, dtype=np.float64),
        first_length=lengths[0],
        second_length=lengths[1],
        check=np.full(count, NO_CHECK),
        right=np.zeros(count, dtype=bool),
        repeats=np.full(count, -1),
    )


def share_right(posterior: Floats, truth: Ints) -> float:
    """How often the likeliest class is the true one, classes that tie for it sharing the item."""
    best = posterior >= posterior.max(axis=1, keepdims=True) - 1e-9
    return float((best[np.arange(len(truth)), truth] / best.sum(axis=1)).mean())


def decided(labels: Labels) -> tuple[Ints, Ints]:
    """Item and label of the judgements that prefer an answer."""
    kept = np.isin(labels.label, (FIRST, SECOND))
    return labels.item[kept], labels.label[kept]
