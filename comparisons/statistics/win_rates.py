"""Who was preferred to whom, and how often, with intervals that know raters and prompts.

Ties count as half a win for each side. A rate is a plain weighted mean; no model of strengths stands behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from .shares import Z95, wilson
from .strengths.clusters import Clusters, clusters_of, combined, grouping_of
from .votes import Floats, Ints, Votes, sums_by


@dataclass(frozen=True, slots=True)
class WinMatrix:
    """(K, K) arrays: row against column. `rate` counts ties as half wins and is NaN where nobody compared."""

    wins: Ints
    ties: Ints
    votes: Ints
    rate: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class WinRates:
    """(K,) arrays: each policy against all whom it met. NaN where a policy met nobody."""

    rate: Floats
    low: Floats
    high: Floats
    votes: Ints


def win_matrix(votes: Votes) -> WinMatrix:
    """Who won against whom and how often."""
    count = votes.policies
    wins, ties = (np.zeros((count, count), dtype=np.int64) for _ in range(2))
    np.add.at(wins, (votes.left[votes.score == 1.0], votes.right[votes.score == 1.0]), 1)
    np.add.at(wins, (votes.right[votes.score == 0.0], votes.left[votes.score == 0.0]), 1)
    np.add.at(ties, (votes.left[votes.score == 0.5], votes.right[votes.score == 0.5]), 1)
    first = votes.left < votes.right
    pair = np.where(first, votes.left * count + votes.right, votes.right * count + votes.left)
    found = _means(votes, np.where(first, votes.score, 1 - votes.score), pair, count * count)
    rate, low, high = (bound.reshape(count, count) for bound in found)
    below = np.tri(count, k=-1, dtype=bool)
    return WinMatrix(
        wins,
        ties + ties.T,
        wins + wins.T + ties + ties.T,
        rate=np.where(below, 1 - rate.T, rate),
        low=np.where(below, 1 - high.T, low),
        high=np.where(below, 1 - low.T, high),
    )


def win_rates(votes: Votes) -> WinRates:
    """How often each policy was preferred, over all its votes as the study drew them."""
    both = np.concatenate([np.arange(len(votes))] * 2)
    policy = np.concatenate([votes.left, votes.right])
    score = np.concatenate([votes.score, 1 - votes.score])
    rate, low, high = _means(votes.where(both), score, policy, votes.policies)
    return WinRates(rate, low, high, np.bincount(policy, minlength=votes.policies))


def _means(votes: Votes, score: Floats, group: Ints, count: int) -> tuple[Floats, Floats, Floats]:
    """Weighted mean of `score` (n,) in each group 0 … count - 1 and its interval; NaN, 0 and 1 for an empty group.

    Wilson's interval with the number of independent votes that would have the mean's clustered variance, smaller still
    where few clusters leave that variance uncertain (Korn & Graubard 1998). Where all votes of a group say the same, or
    cancel out in every cluster, they count as many as the average vote of the other groups does.
    """
    weight = votes.weights
    total = sums_by(group, weight, count)
    mean = np.divide(sums_by(group, weight * score, count), total, out=np.full(count, np.nan), where=total > 0)
    size = np.bincount(group, minlength=count).astype(float)
    grouping = grouping_of(votes)
    pulls, shares = weight * (score - mean[group]) / total[group], weight / total[group]
    ways = [_split(way, group, pulls, shares, count) for way in grouping.ways]
    both = _split(grouping.both, group, pulls, shares, count)[0] if grouping.both else None
    errors = combined([raw for raw, _ in ways], [moments for _, moments in ways], both)
    single = np.max([moments[0] for _, moments in ways], axis=0) > 1 - 1e-9
    effective = _effective(mean, errors.error**2, size)
    effective *= (Z95 / -stdtrit(errors.freedom, 0.025)) ** 2
    # Votes of one rater, or on one prompt, are one observation of raters, or of prompts.
    effective = np.where(single, np.minimum(1.0, size), effective)
    return mean, *wilson(mean * effective, np.where(size > 0, effective, 0.0))


def _split(way: Clusters, group: Ints, pulls: Floats, shares: Floats, count: int) -> tuple[Floats, Floats]:
    """Per group: Σ over its clusters of (summed influence)², (count,), and of share^k, k = 2 … 5, (4, count)."""
    cells = clusters_of(group * way.count + way.code)
    place = np.zeros(cells.count, dtype=np.int64)
    place[cells.code] = group
    pull, share = sums_by(cells.code, pulls, cells.count), sums_by(cells.code, shares, cells.count)
    moments = np.array([sums_by(place, share**power, count) for power in (2, 3, 4, 5)])
    return sums_by(place, pull**2, count), np.where(moments > 0, moments, 1.0)


def _effective(mean: Floats, variance: Floats, size: Floats) -> Floats:
    """Number of independent votes with the variance of each mean, (count,)."""
    spread = np.nan_to_num(mean * (1 - mean))
    steady = (variance > 1e-9 * spread / np.maximum(size, 1)) & (spread > 0)
    design = (size * variance / np.where(steady, spread, 1.0))[steady]
    usual = max(1.0, float(design @ size[steady] / size[steady].sum())) if steady.any() else 1.0
    return np.where(steady, spread / np.where(steady, variance, 1.0), size / usual)
