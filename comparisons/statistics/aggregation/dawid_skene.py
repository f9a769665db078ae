"""Truth and the confusions of raters, each estimated from the other (Dawid & Skene 1979).

An item's true class k has prior p_k; rater j gives a label l with chance π_j[k, l], independently of everybody else.
EM alternates T_ik ∝ p_k Π π_j[k, l] (eq. 2.5) with π_j[k, l] ∝ expected count of (truth k, label l) (eq. 2.3) and
p = mean of T (eq. 2.4).

`one_coin` leaves every rater one number: π_j[k, k] = q_j, all errors equally likely. It needs few labels, but where
errors are not equally likely (true ties are seldom called so) its accuracies and posteriors are too sure.

`symmetric` says that the classes 0 and 1 are the two answers of an item whose order was drawn by chance. Whatever is
then true of the first is true of the second: π_j[k, l] = π_j[σk, σl] and p_k = p_σk, where σ changes 0 and 1. This
halves what is to be learned and keeps a chance surplus of first answers from becoming a belief about them.

`smoothing` s adds imagined labels, so that a rater of few labels is taken for one like the others and the posterior's
maximum is sought instead of the likelihood's. In the full model they are s labels per true class, spread as all raters
together spread theirs by the posterior of the one-coin model; there s guesses, every class equally often.
docs/DECISIONS.md has the comparison that chose 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comparisons.statistics.votes import Floats, Ints

from .labels import Accuracy, Labels, accuracy, normalised, vote_shares

LEAST = 1e-10
"""The smallest count; without it a label never given under a truth would forbid that truth for ever."""


@dataclass(frozen=True, slots=True)
class DawidSkene:
    """What was found.

    `posterior` (I, C): chance of each true class. `priors` (C,). `confusion` (R, C, C): chance of label (last) by
    truth. `accuracy`: of each rater. `guessing` (R,): the accuracy of somebody who gave this rater's labels without
    looking. `log_likelihood`: of all labels. `converged`: False when the iterations ran out first.
    """

    posterior: Floats
    priors: Floats
    confusion: Floats
    accuracy: Accuracy
    guessing: Floats
    log_likelihood: float
    iterations: int
    converged: bool

    @property
    def skill(self) -> Floats:
        """(R,): accuracy above guessing, as a share of what is above it: 0 guesses, 1 is always right."""
        room = np.maximum(1e-12, 1 - self.guessing)
        skill: Floats = (self.accuracy.value - self.guessing) / room
        return skill


def dawid_skene(
    labels: Labels,
    *,
    one_coin: bool = False,
    symmetric: bool = False,
    smoothing: float = 2.0,
    known: Ints | None = None,
    start: Floats | None = None,
    tolerance: float = 1e-8,
    iterations: int = 1000,
) -> DawidSkene:
    """Estimate truth and raters; deterministic, from the shares of votes or another posterior `start` (I, C).

    `known` (I,): true classes of items, -1 where unknown. Stops when the objective (log-likelihood and log-prior) rises
    by less than `tolerance` per label.
    """
    steps = _Steps(labels, symmetric, known)
    start = steps.clamped(vote_shares(labels) if start is None else start)
    if one_coin or smoothing:
        coin = _climb(steps, _Coins(smoothing, labels.classes), start, tolerance, iterations)
        if one_coin:
            return _found(labels, steps, coin)
        start = coin.posterior
    rows = _Rows(smoothing * steps.pooled(start))
    return _found(labels, steps, _climb(steps, rows, start, tolerance, iterations))


@dataclass(frozen=True, slots=True)
class _Climb:
    """Where EM stopped."""

    posterior: Floats
    confusion: Floats
    priors: Floats
    likelihood: float
    iterations: int
    converged: bool


def _climb(steps: _Steps, model: _Coins | _Rows, posterior: Floats, tolerance: float, iterations: int) -> _Climb:
    """Both steps by turns; the objective never falls."""
    best, likelihood, converged, done = -np.inf, -np.inf, False, 0
    while not converged and done < iterations:
        confusion, priors = model.confusion(steps.counts(posterior)), steps.priors(posterior, model.smoothing)
        posterior, likelihood = steps.expect(priors, confusion)
        objective = likelihood + model.log_prior(confusion) + model.smoothing * float(np.log(priors).mean())
        converged = objective - best < tolerance * len(steps)
        best, done = objective, done + 1
    confusion, priors = model.confusion(steps.counts(posterior)), steps.priors(posterior, model.smoothing)
    return _Climb(posterior, confusion, priors, likelihood, done, converged)


def _found(labels: Labels, steps: _Steps, end: _Climb) -> DawidSkene:
    right = accuracy(labels, end.posterior)
    guessing = steps.given_shares() @ end.priors
    return DawidSkene(
        end.posterior, end.priors, end.confusion, right, guessing, end.likelihood, end.iterations, end.converged
    )


class _Steps:
    """What EM needs of the labels. Both steps are products of one sparse matrix (`Labels.matrix`) with a dense one."""

    def __init__(self, labels: Labels, symmetric: bool, known: Ints | None) -> None:
        self.classes, self.raters, self.known, self.total = labels.classes, labels.raters, known, len(labels)
        self.swap = np.arange(labels.classes)
        if symmetric:
            self.swap[:2] = 1, 0
        self.given = labels.matrix()
        self.given_to = self.given.T.tocsr()

    def __len__(self) -> int:
        return self.total

    def clamped(self, posterior: Floats) -> Floats:
        """Certainty where the truth is known."""
        if self.known is None:
            return posterior
        certain = np.eye(self.classes)[np.maximum(0, self.known)]
        return np.where((self.known >= 0)[:, None], certain, posterior)

    def expect(self, priors: Floats, confusion: Floats) -> tuple[Floats, float]:
        """Posterior (I, C) and log-likelihood of the labels (and of the known classes)."""
        by_label = np.log(confusion).transpose(0, 2, 1).reshape(-1, self.classes)
        weights = np.log(priors) + self.given @ by_label
        if self.known is not None:
            ruled_out = (self.known >= 0)[:, None] & (np.arange(self.classes) != self.known[:, None])
            weights = np.where(ruled_out, -np.inf, weights)
        return normalised(weights)

    def counts(self, posterior: Floats) -> Floats:
        """(R, C, C): expected counts of label (last) by truth, averaged over what the swap ties together."""
        counts = (self.given_to @ posterior).reshape(self.raters, self.classes, self.classes).transpose(0, 2, 1)
        tied: Floats = (counts + counts[:, self.swap][:, :, self.swap]) / 2
        return tied

    def priors(self, posterior: Floats, smoothing: float) -> Floats:
        """(C,)."""
        classes = posterior.sum(axis=0)
        filled = np.maximum((classes + classes[self.swap]) / 2 + smoothing / self.classes, LEAST)
        priors: Floats = filled / filled.sum()
        return priors

    def pooled(self, posterior: Floats) -> Floats:
        """(C, C): chance of label by truth of all raters together, one guess per truth added."""
        counts = self.counts(posterior).sum(axis=0) + 1 / self.classes
        pooled: Floats = counts / counts.sum(axis=1, keepdims=True)
        return pooled

    def given_shares(self) -> Floats:
        """(R, C): the share of each label in what a rater gave."""
        counts = np.asarray(self.given_to.sum(axis=1)).reshape(self.raters, self.classes)
        shares: Floats = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        return shares


class _Rows:
    """Confusions without restriction; `imagined` (C, C) labels are added to everybody's counts."""

    def __init__(self, imagined: Floats) -> None:
        self.imagined, self.smoothing = imagined, float(imagined.sum(axis=1).mean())

    def confusion(self, counts: Floats) -> Floats:
        filled = np.maximum(counts + self.imagined, LEAST)
        rows: Floats = filled / filled.sum(axis=2, keepdims=True)
        return rows

    def log_prior(self, confusion: Floats) -> float:
        """Up to a constant."""
        return float((self.imagined * np.log(confusion)).sum())


class _Coins:
    """One accuracy per rater; `smoothing` guesses are added to everybody's labels."""

    def __init__(self, smoothing: float, classes: int) -> None:
        self.smoothing, self.classes = smoothing, classes

    def confusion(self, counts: Floats) -> Floats:
        right = np.trace(counts, axis1=1, axis2=2) + self.smoothing / self.classes
        chance = np.clip(right / (counts.sum(axis=(1, 2)) + self.smoothing), LEAST, 1 - LEAST)[:, None, None]
        same = np.eye(self.classes)
        coins: Floats = same * chance + (1 - same) * (1 - chance) / (self.classes - 1)
        return coins

    def log_prior(self, confusion: Floats) -> float:
        """Up to a constant: every label of a guess is equally likely under whatever truth."""
        return self.smoothing * float(np.log(confusion[:, 0]).mean(axis=1).sum())
