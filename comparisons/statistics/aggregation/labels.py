"""The input of all aggregations, and what they have in common: most likely classes and the accuracy of raters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import betaincinv

from comparisons.statistics.votes import Floats, Ints

UNDECIDED = -1


@dataclass(frozen=True, slots=True)
class Labels:
    """Who gave which item which label. Arrays (n,), one entry per judgement, numbered from 0; see `of`.

    `item_ids` (I,) and `rater_ids` (R,) say what the numbers stood for. A rater may label an item more than once.
    """

    item: Ints
    rater: Ints
    label: Ints
    classes: int
    item_ids: Ints
    rater_ids: Ints

    @classmethod
    def of(cls, item: Ints, rater: Ints, label: Ints, classes: int) -> Labels:
        """From any ids of items and raters, and labels 0 … classes - 1; raises ValueError on other labels."""
        if not len(item) == len(rater) == len(label):
            raise ValueError("item, rater and label must have one entry per judgement.")
        if classes < 2 or (len(label) and not 0 <= label.min() <= label.max() < classes):
            raise ValueError(f"Labels must be 0 to {classes - 1}, of at least two classes.")
        item_ids, items = np.unique(item, return_inverse=True)
        rater_ids, raters = np.unique(rater, return_inverse=True)
        return cls(items, raters, label, classes, item_ids, rater_ids)

    def __len__(self) -> int:
        return len(self.label)

    @property
    def items(self) -> int:
        return len(self.item_ids)

    @property
    def raters(self) -> int:
        return len(self.rater_ids)

    def matrix(self) -> csr_array:
        """(I, R·C) sparse: how often the rater gave the item the label; column rater · C + label.

        With a posterior T (I, C) the expected counts of label by truth are matrix.T @ T, and with log-chances L
        (R·C, C) of a label by truth the log-likelihood of each class of an item is matrix @ L.
        """
        column = self.rater * self.classes + self.label
        shape = (self.items, self.raters * self.classes)
        return csr_array((np.ones(len(self)), (self.item, column)), shape=shape)


def vote_shares(labels: Labels) -> Floats:
    """(I, C): the share of an item's judgements that give each class."""
    cells = labels.item * labels.classes + labels.label
    counts = np.bincount(cells, minlength=labels.items * labels.classes).reshape(labels.items, labels.classes)
    shares: Floats = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return shares


def most_likely(posterior: Floats) -> Ints:
    """(I,): the class with the highest entry of (I, C), UNDECIDED where two are equally high."""
    ordered = np.sort(posterior, axis=1)
    return np.where(ordered[:, -1] - ordered[:, -2] > 1e-9, posterior.argmax(axis=1), UNDECIDED)


def normalised(log_weights: Floats) -> tuple[Floats, float]:
    """Posterior (I, C) from unnormalised logarithms, and the sum of the log-normalisers."""
    top = log_weights.max(axis=1, keepdims=True)
    weights = np.exp(log_weights - top)
    total = weights.sum(axis=1, keepdims=True)
    return weights / total, float((top + np.log(total)).sum())


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often each rater's label is the true one. Arrays (R,).

    `low`, `high`: 95 % interval. `judgements`: how many there are; `worth`: as how many of known truth they count.
    """

    value: Floats
    low: Floats
    high: Floats
    judgements: Ints
    worth: Floats


def accuracy(labels: Labels, posterior: Floats) -> Accuracy:
    """The accuracy q of each rater from the chance t that each of its labels is the true one: q = mean t.

    With the truth known, n labels would carry the information n / (q (1 - q)) on q. What is missing is the variance of
    the complete-data score given what was seen (Louis 1982, eq. 3.2'): Σ t (1 - t) / (q (1 - q))². What is left is
    that of n Var(t) / (q (1 - q)) labels of known truth: `worth`. The interval is Jeffreys', the quantiles of
    Beta(q worth + 1/2, (1 - q) worth + 1/2), stretched to hold q. What the other raters' own parameters leave open is
    not counted.
    """
    right = posterior[labels.item, labels.label]
    count = np.bincount(labels.rater, minlength=labels.raters)
    value = np.bincount(labels.rater, weights=right, minlength=labels.raters) / np.maximum(1, count)
    square = np.bincount(labels.rater, weights=right**2, minlength=labels.raters) / np.maximum(1, count)
    spread, whole = np.maximum(0.0, square - value**2), value * (1 - value)
    known = np.divide(spread, whole, out=np.ones(labels.raters), where=whole > 1e-12)
    worth = count * np.minimum(1.0, known)
    low, high = (betaincinv(value * worth + 0.5, (1 - value) * worth + 0.5, level) for level in (0.025, 0.975))
    return Accuracy(value, np.minimum(low, value), np.maximum(high, value), count, worth)
