"""How often the label of a pair is the wrong way round, and the label smoothing that answers to it.

Why the flip rate is the smoothing: let y = 1 say that the chosen answer is the better one, and let a label be flipped
with chance ε, whatever the pair. Seeing the label, y = 1 has chance 1 - ε, so the expected negative log-likelihood of a
policy that gives y = 1 the chance σ(m) is

    (1 - ε) (-log σ(m)) + ε (-log σ(-m)),

which is the conservative DPO loss with label_smoothing = ε (Mitchell 2023), m being β times the gap of log-ratios. It
is least at σ(m) = 1 - ε: the policy is pulled no further than the label can be trusted. Robust DPO (Chowdhury et al.
2024) wants the same ε and divides by 1 - 2ε, so it needs ε < 1/2.

One ε for all pairs is for labels without a posterior of their own. Pairs exported with P(chosen is better) as their
label carry the doubt already, pair by pair: smoothing them too would count it twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from training.preferences.two_raters import flip_rate

from .aggregation.dawid_skene import DawidSkene, dawid_skene
from .aggregation.labels import Labels
from .agreement import Agreement
from .shares import Z95
from .votes import Floats, Ints

MOST = 0.49
"""Above this a label says next to nothing, and no smoothing makes it worth training on."""


@dataclass(frozen=True, slots=True)
class LabelNoise:
    """The share of consensus labels that are the wrong way round, with its 95 % interval, over `items` labels."""

    value: float
    low: float
    high: float
    items: int

    @property
    def smoothing(self) -> float | None:
        """The label smoothing to train with, to two places; None when the labels are no better than chance."""
        return None if self.value > MOST else round(self.value, 2)


# --- From agreement ---------------------------------------------------------------------------------------------------


def noise_of_agreement(agreement: Agreement, votes: Ints) -> LabelNoise | None:
    """From how often two raters agree, if they err independently; None where agreement is unknown or has no interval.

    `agreement`: the percentage, of judgements that prefer an answer. `votes` (I,): how many of them are behind each
    label that a majority gave. Two raters agree in a = q² + (1 - q)², so a single vote is flipped in 1 - q with
    q = (1 + √(2a - 1)) / 2; if raters differ, 2a - 1 is the mean of (2 q_i - 1)(2 q_j - 1), and q their mean accuracy
    as long as who meets whom is chance. The interval is that of a, taken through the same monotone function.
    """
    if agreement.value is None or agreement.low is None or agreement.high is None or not len(votes):
        return None
    sizes, counts = np.unique(votes, return_counts=True)
    value, low, high = (
        float(counts @ majority_flips(flip_rate(share), sizes) / counts.sum())
        for share in (agreement.value, agreement.high, agreement.low)
    )
    return LabelNoise(value, low, high, len(votes))


def majority_flips(single: float, votes: Ints) -> Floats:
    """(I,): the chance that a majority of so many votes is wrong when each is with chance `single`.

    Draws decide nothing: P(right votes < k/2) / (1 - P(right votes = k/2)).
    """
    right, half = 1 - single, votes / 2
    wrong = bdtr(np.ceil(half) - 1, votes, right)
    drawn = np.where(votes % 2, 0.0, bdtr(np.floor(half), votes, right) - wrong)
    flips: Floats = np.where(votes > 0, wrong / np.maximum(1e-300, 1 - drawn), 0.5)
    return flips


# --- From Dawid-Skene -------------------------------------------------------------------------------------------------

Fit = Callable[[Labels, Floats | None], DawidSkene]
"""From labels and a posterior to start from (None: from the votes) to what was found."""


def symmetric_fit(labels: Labels, start: Floats | None) -> DawidSkene:
    """The full model with the two answers of an item alike."""
    return dawid_skene(labels, symmetric=True, start=start, tolerance=1e-6)


@dataclass(frozen=True, slots=True)
class Flips:
    """Of the items that give a label, arrays (G,).

    `differ`: the chance that one answer is better at all; `flipped`: the part of it in which the label names the other.
    """

    differ: Floats
    flipped: Floats

    @property
    def rate(self) -> float:
        """The expected share of flipped labels among those of items whose answers differ."""
        return float(self.flipped.sum() / self.differ.sum())

    @property
    def variance(self) -> float:
        """Of the share that really is flipped, around `rate`, were all chances right: Σ d ε (1 - ε) / (Σ d)²."""
        chance = self.flipped / self.differ
        return float((self.differ * chance * (1 - chance)).sum() / self.differ.sum() ** 2)


def flips(posterior: Floats, threshold: float = 0.0) -> Flips | None:
    """What the posterior (I, C) says of its own labels; None when it gives none.

    An item gives one when an answer (class 0 or 1) is the likeliest class and at least as likely as `threshold`.
    """
    top, answers = posterior.max(axis=1), posterior[:, :2]
    given = (answers.max(axis=1) >= top) & (answers[:, 0] != answers[:, 1]) & (top >= threshold)
    return Flips(answers[given].sum(axis=1), answers[given].min(axis=1)) if given.any() else None


def noise_of_posterior(
    labels: Labels, *, fit: Fit = symmetric_fit, threshold: float = 0.0, resamples: int = 40, seed: int = 0
) -> LabelNoise | None:
    """From the posterior of Dawid and Skene: the share of flipped labels; None when no item gives a label.

    Classes are first, second and any others. Where the truth is a tie or both bad there is no wrong way round, so such
    items are not counted: ε = Σ T_loser / Σ (T_winner + T_loser). A posterior takes the raters' estimated confusions
    for known and is too sure; studies of items drawn again, fitted anew, are on average too sure by as much more as the
    study itself is, so the difference of their mean to it is taken off (Efron & Tibshirani 1993, ch. 10). The interval
    adds the variance of the resamples to that of the flips themselves.
    """
    found = fit(labels, None)
    seen = flips(found.posterior, threshold)
    if seen is None:
        return None
    again = _again(labels, found, fit, threshold, resamples, seed)
    value = 2 * seen.rate - float(np.mean(again)) if again else seen.rate
    variance = seen.variance + (float(np.var(again)) if again else 0.0)
    value, spread = float(np.clip(value, 0.0, 0.5)), Z95 * variance**0.5
    return LabelNoise(value, max(0.0, value - spread), min(0.5, value + spread), len(seen.flipped))


def _again(labels: Labels, found: DawidSkene, fit: Fit, threshold: float, resamples: int, seed: int) -> list[float]:
    """The same figure of studies whose items are drawn with replacement; those that give no label are left out."""
    chance = np.random.default_rng(seed)
    order = np.argsort(labels.item, kind="stable")
    size = np.bincount(labels.item, minlength=labels.items)
    start = np.cumsum(size) - size
    rates = []
    for _ in range(resamples):
        drawn = chance.integers(0, labels.items, labels.items)
        study = _drawn(labels, order, start, size, drawn)
        seen = flips(fit(study, found.posterior[drawn]).posterior, threshold)
        if seen is not None:
            rates.append(seen.rate)
    return rates


def _drawn(labels: Labels, order: Ints, start: Ints, size: Ints, drawn: Ints) -> Labels:
    """The labels of the drawn items, each draw an item of its own; `order` has each item's labels together."""
    item = np.repeat(np.arange(len(drawn)), size[drawn])
    first = np.cumsum(size[drawn]) - size[drawn]
    rows = order[np.arange(len(item)) - first[item] + start[drawn][item]]
    return Labels(item, labels.rater[rows], labels.label[rows], labels.classes, np.arange(len(drawn)), labels.rater_ids)
