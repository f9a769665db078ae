"""The likeliest parameters of a set of votes, with what is needed for the error of any contrast of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comparisons.statistics.votes import Bools, Floats, Votes

from .clusters import (
    Errors,
    Pull,
    Scatter,
    clustered_covariance,
    contrast_errors,
    grouping_of,
    pull_of,
    scatter_of,
)
from .fitting import Comparisons, Fit, comparisons_of, counted, fit
from .graph import compared, maximum_exists, reachable
from .models import Model


@dataclass(frozen=True, slots=True)
class Evidence:
    """Parameters are K strengths, F weights of features, then η where the model has one.

    `corrected`: no finite strengths are likeliest, so half a win was added to both sides of every compared pair.
    `comparable` (K, K): whether two policies were compared, be it through others.
    """

    found: Fit
    pull: Pull
    scatter: Scatter
    comparable: Bools
    corrected: bool

    @property
    def size(self) -> int:
        """Number of parameters p."""
        return len(self.found.parameters)

    @property
    def policies(self) -> int:
        return len(self.comparable)

    @property
    def votes(self) -> int:
        return len(self.pull.slope)

    def centred(self) -> Floats:
        """Each policy's strength less the mean of those it is comparable with, as contrasts (K, p)."""
        rows = np.eye(self.policies) - self.comparable / self.comparable.sum(axis=1, keepdims=True)
        return np.hstack([rows, np.zeros((self.policies, self.size - self.policies))])

    def gaps(self) -> Floats:
        """θi - θj of all pairs i < j, as contrasts (K (K - 1) / 2, p)."""
        i, j = np.triu_indices(self.policies, 1)
        contrasts = np.zeros((len(i), self.size))
        contrasts[np.arange(len(i)), i], contrasts[np.arange(len(i)), j] = 1.0, -1.0
        return contrasts

    def errors(self, contrasts: Floats) -> Errors:
        """Errors of contrasts (m, p), clustered; the model's own where it is larger and half wins were added, or where
        votes cancel out in every cluster."""
        errors = contrast_errors(self.pull, self.scatter, contrasts @ self.found.inverse)
        own = np.sqrt(np.maximum(0.0, np.diag(self.own_covariance(contrasts))))
        needed = own > errors.error if self.corrected else errors.error < 1e-6 * own
        return Errors(np.where(needed, own, errors.error), np.where(needed, np.inf, errors.freedom))

    def covariance(self, contrasts: Floats) -> Floats:
        """Covariance (m, m) of contrasts, clustered; the model's own where half wins were added."""
        if self.corrected:
            return self.own_covariance(contrasts)
        return clustered_covariance(self.scatter, contrasts @ self.found.inverse)

    def own_covariance(self, contrasts: Floats) -> Floats:
        """Covariance (m, m) of contrasts if votes were independent and the model true."""
        covariance: Floats = contrasts @ self.found.inverse @ contrasts.T
        return covariance


def weigh(votes: Votes, model: Model | None = None, features: Floats | None = None, penalty: float = 0.0) -> Evidence:
    """Maximise the likelihood of votes under a model of ties, Davidson's unless another is asked for.

    `features`: (n, F), added to the margin with weights β of their own; `penalty` · β² / 2 is taken off for each.
    """
    if not len(votes):
        raise ValueError("There are no votes to estimate strengths from.")
    model = suitable(votes, model)
    each = comparisons_of(votes, features)
    rows = counted(votes) if features is None else each
    corrected = not maximum_exists(rows, model)
    ridge = np.zeros(rows.width + model.has_tie_parameter)
    ridge[votes.policies : rows.width] = penalty
    found = fit(with_half_wins(rows) if corrected else rows, model, ridge)
    pull = pull_of(each, found)
    return Evidence(found, pull, scatter_of(pull, grouping_of(votes)), reachable(compared(rows)), corrected)


def suitable(votes: Votes, model: Model | None) -> Model:
    """The model asked for, or Davidson's; without ties all models are Bradley and Terry's."""
    return (model or Model.DAVIDSON) if (votes.score == 0.5).any() else Model.HALVES


def with_half_wins(rows: Comparisons) -> Comparisons:
    """Half a win more, of no feature, for both sides of every compared pair (Haldane 1956, Anscombe 1956)."""
    i, j = np.nonzero(np.triu(compared(rows)))
    features = rows.features
    return Comparisons(
        np.concatenate([rows.left, i, j]),
        np.concatenate([rows.right, j, i]),
        np.concatenate([rows.score, np.ones(2 * len(i))]),
        np.concatenate([rows.weight, np.full(2 * len(i), 0.5)]),
        rows.policies,
        None if features is None else np.vstack([features, np.zeros((2 * len(i), features.shape[1]))]),
    )
