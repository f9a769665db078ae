"""Strengths of policies from votes, with intervals that know raters and prompts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from comparisons.statistics.votes import Bools, Floats, Votes

from .clusters import FEWEST
from .evidence import Evidence, weigh
from .models import Model, probabilities
from .simultaneous import critical_values


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Strengths:
    """Strengths θ (K,) in log-odds with mean 0: θi - θj is that of i being preferred to j, where one is preferred.

    `tie`: η of the model of ties, None without. `covariance` (K, K) is positive semidefinite. `error` and `freedom`
    (K,) are of the strengths, `gap_error`, `gap_freedom` and `critical` (K, K) of θi - θj; `critical` is for intervals
    that hold for all pairs at once. With ties as halves θi - θj is the log-odds of the share of wins and half ties.
    `corrected`: no finite strengths are likeliest, as when a policy never lost; half a win was added to both sides of
    every compared pair, and errors are at least the model's own.
    `comparable` (K, K): False where two policies were never compared, not even through others; then their difference
    means nothing.
    `raters`, `prompts`, `votes`: how many there were. Intervals speak of other raters, and of other prompts, like these
    only if there were FEWEST of them or more (`by_rater`, `by_prompt`); else of these alone.
    """

    model: Model
    theta: Floats
    tie: float | None
    covariance: Floats
    error: Floats
    freedom: Floats
    gap_error: Floats
    gap_freedom: Floats
    critical: Floats
    comparable: Bools
    corrected: bool
    raters: int
    prompts: int
    votes: int

    @property
    def by_rater(self) -> bool:
        return self.raters >= FEWEST

    @property
    def by_prompt(self) -> bool:
        return self.prompts >= FEWEST

    @property
    def connected(self) -> bool:
        return bool(self.comparable.all())

    def interval(self, i: int) -> tuple[float, float]:
        """95 % interval of policy i's strength."""
        spread = float(student(self.freedom[i]) * self.error[i])
        return float(self.theta[i]) - spread, float(self.theta[i]) + spread

    def difference(self, i: int, j: int) -> Interval:
        """θi - θj with the 95 % interval of this one difference; infinite where the two are not comparable."""
        return self._gap(i, j, float(student(self.gap_freedom[i, j])))

    def simultaneous(self, i: int, j: int) -> Interval:
        """θi - θj with an interval that holds together with those of all other pairs; for words."""
        return self._gap(i, j, float(self.critical[i, j]))

    def _gap(self, i: int, j: int, critical: float) -> Interval:
        value = float(self.theta[i] - self.theta[j])
        spread = critical * float(self.gap_error[i, j]) if self.comparable[i, j] else np.inf
        return Interval(value, value - spread, value + spread)

    def decided(self, i: int, j: int) -> bool:
        """Whether the votes tell the two apart, all pairs considered."""
        gap = self.simultaneous(i, j)
        return gap.low > 0 or gap.high < 0

    def win_probability(self, i: int, j: int, simultaneous: bool = False) -> Interval:
        """Chance that an answer of i is preferred to one of j, ties as halves, as the model predicts.

        The interval is that of θi - θj carried over; η is taken as estimated, which moves the chance little.
        """
        gap = self.simultaneous(i, j) if simultaneous else self.difference(i, j)
        return Interval(*(self.chance(end) for end in (gap.value, gap.low, gap.high)))

    def chance(self, gap: float) -> float:
        """Chance that the stronger of two policies so far apart is preferred, ties as halves."""
        if not np.isfinite(gap):
            return float(gap > 0)
        win, tie = probabilities(self.model, np.array([gap]), self.tie or 0.0)
        return float(win[0] + tie[0] / 2)

    def tie_probability(self, i: int, j: int) -> float:
        """Chance of a tie between i and j, as the model predicts."""
        gap = np.array([self.theta[i] - self.theta[j]])
        return float(probabilities(self.model, gap, self.tie or 0.0)[1][0])


def estimate(votes: Votes, model: Model | None = None) -> Strengths:
    """Maximum likelihood under a model of ties, Davidson's unless another is asked for; errors by rater and prompt."""
    return strengths_of(weigh(votes, model))


def strengths_of(evidence: Evidence) -> Strengths:
    """Strengths, their differences and all errors of evidence."""
    count, gaps = evidence.policies, evidence.gaps()
    errors = evidence.errors(np.vstack([evidence.centred(), gaps]))
    critical, told = np.full(len(gaps), np.inf), evidence.comparable[np.triu_indices(count, 1)]
    # The model's correlations: those of a covariance estimated from eight raters are mostly noise.
    critical[told] = critical_values(evidence.own_covariance(gaps[told]), errors.freedom[count:][told])
    found, grouping = evidence.found, evidence.scatter.grouping
    return Strengths(
        model=found.model,
        theta=evidence.centred() @ found.parameters,
        tie=found.tie if found.model.has_tie_parameter else None,
        covariance=evidence.covariance(evidence.centred()),
        error=errors.error[:count],
        freedom=errors.freedom[:count],
        gap_error=_square(errors.error[count:], count, 0.0),
        gap_freedom=_square(errors.freedom[count:], count, np.inf),
        critical=_square(critical, count, 0.0),
        comparable=evidence.comparable,
        corrected=evidence.corrected,
        raters=grouping.raters,
        prompts=grouping.prompts,
        votes=evidence.votes,
    )


def student(freedom: float) -> float:
    """The quantile of Student's t that leaves 2.5 % above."""
    return float(-stdtrit(freedom, 0.025))


def _square(pairs: Floats, count: int, diagonal: float) -> Floats:
    """(K, K), symmetric, of values of pairs i < j."""
    square = np.full((count, count), diagonal)
    square[np.triu_indices(count, 1)] = pairs
    return np.where(np.tri(count, k=-1, dtype=bool), square.T, square)
