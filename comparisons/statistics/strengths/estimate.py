"""Strengths of policies from votes, with intervals that know raters and prompts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from comparisons.statistics.votes import Bools, Floats, Votes

from .clusters import FEWEST, Errors, Grouping, clustered_covariance, contrast_errors, grouping_of, pull_of, scatter_of
from .fitting import Comparisons, Fit, comparisons_of, counted, fit
from .graph import compared, maximum_exists, reachable
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


def pair_contrasts(count: int, width: int) -> Floats:
    """θi - θj of all pairs i < j of `count` policies as rows over `width` parameters."""
    i, j = np.triu_indices(count, 1)
    contrasts = np.zeros((len(i), width))
    contrasts[np.arange(len(i)), i], contrasts[np.arange(len(i)), j] = 1.0, -1.0
    return contrasts


def suitable(votes: Votes, model: Model | None) -> Model:
    """The model asked for, or Davidson's; without ties all models are Bradley and Terry's."""
    return (model or Model.DAVIDSON) if (votes.score == 0.5).any() else Model.HALVES


def estimate(votes: Votes, model: Model | None = None) -> Strengths:
    """Maximum likelihood under a model of ties, Davidson's unless another is asked for; errors by rater and prompt."""
    if not len(votes):
        raise ValueError("There are no votes to estimate strengths from.")
    rows, model = counted(votes), suitable(votes, model)
    corrected = not maximum_exists(rows, model)
    found = fit(with_half_wins(rows) if corrected else rows, model)
    comparable = reachable(compared(rows))
    centred = centred_contrasts(comparable, len(found.parameters))
    contrasts = np.vstack([centred, pair_contrasts(votes.policies, len(found.parameters))])
    pull = pull_of(comparisons_of(votes), found)
    scatter = scatter_of(pull, grouping_of(votes))
    return _strengths(
        found=found,
        covariance=centred @ found.inverse @ centred.T
        if corrected
        else clustered_covariance(scatter, centred @ found.inverse),
        errors=at_least_the_models(
            contrast_errors(pull, scatter, contrasts @ found.inverse), found, contrasts, corrected
        ),
        comparable=comparable,
        corrected=corrected,
        grouping=scatter.grouping,
        votes=len(votes),
    )


def with_half_wins(rows: Comparisons) -> Comparisons:
    """Half a win more for both sides of every compared pair (Haldane 1956, Anscombe 1956)."""
    i, j = np.nonzero(np.triu(compared(rows)))
    return Comparisons(
        np.concatenate([rows.left, i, j]),
        np.concatenate([rows.right, j, i]),
        np.concatenate([rows.score, np.ones(2 * len(i))]),
        np.concatenate([rows.weight, np.full(2 * len(i), 0.5)]),
        rows.policies,
    )


def centred_contrasts(comparable: Bools, width: int) -> Floats:
    """Each policy's strength less the mean of those it is comparable with, as rows over the parameters."""
    rows = np.eye(len(comparable)) - comparable / comparable.sum(axis=1, keepdims=True)
    return np.hstack([rows, np.zeros((len(rows), width - len(rows)))])


def at_least_the_models(errors: Errors, found: Fit, contrasts: Floats, corrected: bool) -> Errors:
    """The model's own error where half wins were added and it is larger, or where votes cancel out in every cluster."""
    own = np.sqrt(np.maximum(0.0, np.einsum("mi,ij,mj->m", contrasts, found.inverse, contrasts)))
    needed = own > errors.error if corrected else errors.error < 1e-6 * own
    return Errors(np.where(needed, own, errors.error), np.where(needed, np.inf, errors.freedom))


def student(freedom: float) -> float:
    """The quantile of Student's t that leaves 2.5 % above."""
    return float(-stdtrit(freedom, 0.025))


def _strengths(
    found: Fit, covariance: Floats, errors: Errors, comparable: Bools, corrected: bool, grouping: Grouping, votes: int
) -> Strengths:
    count = len(comparable)
    i, j = np.triu_indices(count, 1)
    critical, told = np.full(len(i), np.inf), comparable[i, j]
    contrasts = pair_contrasts(count, len(found.parameters))[told]
    # The model's correlations: those of a covariance estimated from eight raters are mostly noise.
    critical[told] = critical_values(contrasts @ found.inverse @ contrasts.T, errors.freedom[count:][told])
    return Strengths(
        model=found.model,
        theta=centred_contrasts(comparable, len(found.parameters)) @ found.parameters,
        tie=found.tie if found.model.has_tie_parameter else None,
        covariance=covariance,
        error=errors.error[:count],
        freedom=errors.freedom[:count],
        gap_error=_square(errors.error[count:], count, 0.0),
        gap_freedom=_square(errors.freedom[count:], count, np.inf),
        critical=_square(critical, count, 0.0),
        comparable=comparable,
        corrected=corrected,
        raters=grouping.raters,
        prompts=grouping.prompts,
        votes=votes,
    )


def _square(pairs: Floats, count: int, diagonal: float) -> Floats:
    """(K, K), symmetric, of values of pairs i < j."""
    square = np.full((count, count), diagonal)
    square[np.triu_indices(count, 1)] = pairs
    return np.where(np.tri(count, k=-1, dtype=bool), square.T, square)
