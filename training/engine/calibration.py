"""How far the scores of a reward model can be believed: pure functions of plain arrays, with NumPy alone.

A pair's `logit` is the reward gap r_w - r_l divided by the temperature; p = sigma(logit) is the model's probability
that the chosen answer is the better one. `labels` are the data's probability of the same, 1 where nothing is said.
Every pair counts once: weights are a matter of training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

BINS = 15
"""Bins of equal mass, as is usual since Naeini et al. 2015 and Guo et al., arXiv 1706.04599."""

TEMPERATURES = (1e-2, 1e2)
"""Range of fitted temperatures."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of similar confidence: what the model believed on average, and how often it was right."""

    confidence: float
    accuracy: float
    low: float  # Wilson interval of the accuracy, 95 %
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class BestOf:
    """The expected reward of the best of `n` answers, and what choosing it costs in nats."""

    n: int
    kl: float
    reward: float
    standard_error: float  # over prompts; nan for a single prompt


def log_loss(logits: ArrayLike, labels: ArrayLike = 1.0) -> float:
    """Mean of -p log sigma(z) - (1 - p) log sigma(-z), in nats; log 2 = 0.693 is knowing nothing."""
    z, p = _pairs(logits, labels)
    return float(np.mean(p * np.logaddexp(0, -z) + (1 - p) * np.logaddexp(0, z)))


def brier(logits: ArrayLike, labels: ArrayLike = 1.0) -> float:
    """Mean squared error of the probability, (sigma(z) - p)^2; 0.25 is knowing nothing. Brier 1950."""
    z, p = _pairs(logits, labels)
    return float(np.mean((_sigmoid(z) - p) ** 2))


def accuracy(logits: ArrayLike, labels: ArrayLike = 1.0) -> float:
    """Expected share of pairs that the model ranks as the labels do."""
    return float(np.mean(correctness(logits, labels)))


def correctness(logits: ArrayLike, labels: ArrayLike = 1.0) -> Array:
    """P(the preferred answer is the better one) of each pair [n], by its label; a tie counts as half."""
    z, p = _pairs(logits, labels)
    return np.where(z > 0, p, np.where(z < 0, 1 - p, 0.5))


def expected_calibration_error(logits: ArrayLike, labels: ArrayLike = 1.0, *, bins: int = BINS) -> float:
    """Mean distance between confidence and accuracy over bins of equal mass.

    Confidence is that of the answer the model prefers, max(sigma(z), 1 - sigma(z)): which answer is called the first
    says nothing. Read it beside `calibration_error_by_chance`: 256 pairs show several hundredths where none is.
    """
    curve = reliability_curve(logits, labels, bins=bins)
    return sum(b.count * abs(b.confidence - b.accuracy) for b in curve) / sum(b.count for b in curve)


def calibration_error_by_chance(logits: ArrayLike, *, bins: int = BINS) -> float:
    """The expected calibration error that a perfectly calibrated model shows on so few pairs.

    Per bin E|X / n - c| of X ~ Binomial(n, c), by its normal approximation sqrt(2 c (1 - c) / (pi n)).
    """
    curve = reliability_curve(logits, bins=bins)
    errors = [b.count * math.sqrt(2 * b.confidence * (1 - b.confidence) / (math.pi * b.count)) for b in curve]
    return sum(errors) / sum(b.count for b in curve)


def reliability_curve(logits: ArrayLike, labels: ArrayLike = 1.0, *, bins: int = BINS) -> list[Bin]:
    """Bins of equal mass by rising confidence; pairs of equal confidence share a bin. Raises ValueError for no pair."""
    z, _ = _pairs(logits, labels)
    confidence = _sigmoid(np.abs(z))
    order = np.argsort(confidence, kind="stable")
    confidence, correct = confidence[order], correctness(z, labels)[order]
    # A bin begins where its first confidence first occurs, so that the order of ties does not matter.
    starts = np.unique(np.searchsorted(confidence, confidence[np.arange(bins) * len(z) // bins]))
    members = zip(np.split(confidence, starts[1:]), np.split(correct, starts[1:]), strict=True)
    return [_bin(c, right) for c, right in members]


def wilson_interval(successes: float, count: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Score interval of a share, 95 % by default; (0, 1) where nothing was counted. Wilson 1927."""
    if count == 0:
        return 0.0, 1.0
    share, spread = successes / count, z * z / count
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def fit_temperature(gaps: ArrayLike, labels: ArrayLike = 1.0) -> float:
    """The temperature T for which sigma(gap / T) has the least log-loss against slightly softened labels.

    Above 1: the gaps claim more than they hold. Gaps that rank no better than chance give the upper end of
    TEMPERATURES: nothing can be read from them. The loss is convex in 1 / T, so its slope is halved in on (Guo et al.,
    arXiv 1706.04599, sec. 4.2). Labels are drawn to (n p + 1) / (n + 2), without which n pairs that are all ranked
    rightly would give T = 0 and certainty (Platt 1999, sec. 2.2).
    """
    gap, p = _pairs(gaps, labels)
    p = (len(gap) * p + 1) / (len(gap) + 2)

    def slope(log_temperature: float) -> float:
        """Of the log-loss in 1 / T: above 0 where the gaps claim too much."""
        return float(np.mean((_sigmoid(gap * math.exp(-log_temperature)) - p) * gap))

    low, high = (math.log(t) for t in TEMPERATURES)
    if slope(low) <= 0:
        return TEMPERATURES[0]
    if slope(high) >= 0:
        return TEMPERATURES[1]
    for _ in range(50):  # halvings: more than a double can tell apart
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return math.exp((low + high) / 2)


def correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Pearson's r; 0 where either does not vary."""
    x, y = (np.asarray(values, dtype=np.float64) for values in (first, second))
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm > 0 else 0.0


def best_of_n(rewards: ArrayLike, ns: list[int] | None = None) -> list[BestOf]:
    """Expected reward of the best of n answers for n = 1, 2, 4, ... N, from N sampled answers per prompt.

    `rewards` [prompts, N]. Unbiased: the mean over all subsets of n of the N answers, in which the i-th smallest is the
    largest with probability C(i - 1, n - 1) / C(N, n). KL of best-of-n from one answer: log n - (n - 1) / n (exact
    where no two answers are equal; Beirami et al., arXiv 2401.01879, show it to be an upper bound).
    """
    ordered = np.sort(np.asarray(rewards, dtype=np.float64), axis=1)
    prompts, most = ordered.shape
    curve = []
    for n in ns or [2**k for k in range(most.bit_length())]:
        best = ordered @ _best_shares(most, n)
        error = float(best.std(ddof=1)) / math.sqrt(prompts) if prompts > 1 else math.nan
        curve.append(BestOf(n, math.log(n) - (n - 1) / n, float(best.mean()), error))
    return curve


def _pairs(logits: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim != 1 or not len(z):
        raise ValueError("calibration needs a list of at least one reward gap")
    return z, np.broadcast_to(np.asarray(labels, dtype=np.float64), z.shape)


def _bin(confidence: Array, correct: Array) -> Bin:
    low, high = wilson_interval(float(correct.sum()), len(correct))
    return Bin(float(confidence.mean()), float(correct.mean()), low, high, len(correct))


def _best_shares(most: int, n: int) -> Array:
    """P(the i-th smallest of `most` answers is the best of n drawn without return) [most]."""
    return np.array([math.comb(rank, n - 1) / math.comb(most, n) for rank in range(most)])


def _sigmoid(z: Array) -> Array:
    return np.exp(-np.logaddexp(0, -z))
