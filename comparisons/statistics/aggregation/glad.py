"""Raters of different ability, items of different difficulty (Whitehill, Ruvolo, Wu, Bergsma & Movellan 2009).

Rater j is right on item i with chance σ(α_j β_i); all errors are equally likely, all classes have equal priors. α is
the ability (below 0: an adversary), β > 0 the ease of the item (0: nobody can tell). Priors as in the paper's own code:
α ~ N(1, 1), log β ~ N(1, 1).

Generalised EM: given the chances that labels are right, a Newton step for all abilities and a Fisher scoring step for
all eases, each halved where it would not climb, so that the log-posterior never falls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit

from comparisons.statistics.votes import Floats, Ints

from .labels import Accuracy, Labels, accuracy, normalised, vote_shares

MEAN = 1.0
HALVINGS = 6


@dataclass(frozen=True, slots=True)
class Glad:
    """What was found.

    `posterior` (I, C). `ability` (R,): α. `ease` (I,): β. `objective`: log-likelihood and log-prior, up to a constant.
    `converged`: False when the iterations ran out first.
    """

    posterior: Floats
    ability: Floats
    ease: Floats
    accuracy: Accuracy
    objective: float
    iterations: int
    converged: bool


def glad(labels: Labels, *, tolerance: float = 1e-6, iterations: int = 500) -> Glad:
    """Estimate truth, ability and ease; deterministic.

    Stops when the objective rises by less than `tolerance` per label.
    """
    ability, log_ease = np.full(labels.raters, MEAN), np.full(labels.items, MEAN)
    posterior, objective, best, converged, done = vote_shares(labels), -np.inf, -np.inf, False, 0
    while not converged and done < iterations:
        right = posterior[labels.item, labels.label]
        ability = _abler(labels, right, ability, np.exp(log_ease))
        log_ease = _easier(labels, right, ability, log_ease)
        posterior, likelihood = _expect(labels, ability, np.exp(log_ease))
        objective = likelihood - (((ability - MEAN) ** 2).sum() + ((log_ease - MEAN) ** 2).sum()) / 2
        converged = objective - best < tolerance * len(labels)
        best, done = objective, done + 1
    right_of = accuracy(labels, posterior)
    return Glad(posterior, ability, np.exp(log_ease), right_of, float(objective), done, converged)


def _expect(labels: Labels, ability: Floats, ease: Floats) -> tuple[Floats, float]:
    """Posterior (I, C) and log-likelihood. A label counts for its class by its log-odds against one other class."""
    logit = ability[labels.rater] * ease[labels.item]
    wrong = log_expit(-logit) - np.log(labels.classes - 1)
    cells = labels.item * labels.classes + labels.label
    weights = np.bincount(cells, log_expit(logit) - wrong, labels.items * labels.classes)
    every = np.bincount(labels.item, wrong, labels.items) - np.log(labels.classes)
    return normalised(weights.reshape(labels.items, labels.classes) + every[:, None])


def _abler(labels: Labels, right: Floats, ability: Floats, ease: Floats) -> Floats:
    """One Newton step; given the rest, abilities are coefficients of a logistic regression, each alone."""
    by = ease[labels.item]

    def objective(trial: Floats) -> Floats:
        return _expected(labels.rater, right, trial[labels.rater] * by, len(trial)) - (trial - MEAN) ** 2 / 2

    chance = expit(ability[labels.rater] * by)
    slope = np.bincount(labels.rater, (right - chance) * by, len(ability)) - (ability - MEAN)
    curvature = np.bincount(labels.rater, chance * (1 - chance) * by**2, len(ability)) + 1
    return _climbed(ability, slope / curvature, objective)


def _easier(labels: Labels, right: Floats, ability: Floats, log_ease: Floats) -> Floats:
    """One Fisher scoring step for the logarithm of the ease."""
    by = ability[labels.rater]

    def objective(trial: Floats) -> Floats:
        return _expected(labels.item, right, by * np.exp(trial)[labels.item], len(trial)) - (trial - MEAN) ** 2 / 2

    logit = by * np.exp(log_ease)[labels.item]
    chance = expit(logit)
    slope = np.bincount(labels.item, (right - chance) * logit, len(log_ease)) - (log_ease - MEAN)
    curvature = np.bincount(labels.item, chance * (1 - chance) * logit**2, len(log_ease)) + 1
    return _climbed(log_ease, np.clip(slope / curvature, -1, 1), objective)


def _expected(owner: Ints, right: Floats, logit: Floats, owners: int) -> Floats:
    """(owners,): Σ t log σ(x) + (1 - t) log σ(-x) of each one's labels."""
    terms = right * logit + log_expit(-logit)
    return np.bincount(owner, terms, owners).astype(np.float64)


def _climbed(values: Floats, step: Floats, objective: Callable[[Floats], Floats]) -> Floats:
    """Values after the step, halved for each value alone until its own objective is no lower, or not taken at all."""
    least = objective(values) - 1e-12
    for _ in range(HALVINGS):
        lower = objective(values + step) < least
        if not lower.any():
            return values + step
        step = np.where(lower, step / 2, step)
    worse = objective(values + step) < least
    climbed: Floats = values + np.where(worse, 0.0, step)
    return climbed
