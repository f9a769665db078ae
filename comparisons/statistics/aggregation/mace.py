"""Raters who sometimes guess: Multi-Annotator Competence Estimation (Hovy, Berg-Kirkpatrick, Vaswani & Hovy 2013).

All classes are equally likely to be true. On each item rater j knows with chance θ_j and then gives the true class;
otherwise the label is drawn from a strategy ξ_j of the rater's own, whatever the item. So the chance of a label l under
truth k is θ_j [k = l] + (1 - θ_j) ξ_jl, and a rater who always says the same, or anything, is told from one who knows.

Priors are the authors' own, θ_j ~ Beta(1/2, 1/2) and ξ_j ~ Dirichlet(10, …, 10), and so is variational Bayes: a
parameter counts as exp of its expected logarithm. Where they restart at random, this starts from the shares of votes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln

from comparisons.statistics.votes import Floats, Ints

from .labels import Accuracy, Labels, accuracy, normalised, vote_shares

KNOWING = 0.5
STRATEGY = 10.0


@dataclass(frozen=True, slots=True)
class Mace:
    """What was found.

    `posterior` (I, C). `competence` (R,): the expected share of items on which the rater knows. `strategy` (R, C): what
    the rater says otherwise. `bound`: the lower bound of the log-evidence. `converged`: False when the iterations ran
    out first.
    """

    posterior: Floats
    competence: Floats
    strategy: Floats
    accuracy: Accuracy
    bound: float
    iterations: int
    converged: bool


def mace(labels: Labels, *, symmetric: bool = False, tolerance: float = 1e-7, iterations: int = 1000) -> Mace:
    """Estimate truth, competence and strategies; deterministic.

    `symmetric`: the classes 0 and 1 are two answers in an order drawn by chance, so who guesses gives both as often.
    Stops when the bound rises by less than `tolerance` per label.
    """
    model = _Model(labels, symmetric)
    posterior, bound, best, converged, done = vote_shares(labels), -np.inf, -np.inf, False, 0
    knows = np.full((labels.raters, labels.classes), 0.5)
    while not converged and done < iterations:
        beliefs = model.beliefs(posterior, knows)
        posterior, knows, bound = model.expect(beliefs)
        converged = bound - best < tolerance * len(labels)
        best, done = bound, done + 1
    beliefs = model.beliefs(posterior, knows)
    competence = beliefs.knowing[:, 0] / beliefs.knowing.sum(axis=1)
    right = accuracy(labels, posterior)
    return Mace(posterior, competence, model.strategy(beliefs), right, bound, done, converged)


@dataclass(frozen=True, slots=True)
class _Beliefs:
    """Parameters of what is believed of each rater: Beta `knowing` (R, 2), Dirichlet `guesses` (R, G)."""

    knowing: Floats
    guesses: Floats


class _Model:
    """The two steps. Classes that guessing cannot tell apart share a column of `guesses`: G is C, or C - 1."""

    def __init__(self, labels: Labels, symmetric: bool) -> None:
        self.classes, self.raters = labels.classes, labels.raters
        self.column: Ints = np.maximum(0, np.arange(labels.classes) - int(symmetric))
        self.width: Floats = np.bincount(self.column).astype(np.float64)
        self.merge = np.eye(len(self.width))[self.column]
        self.given = labels.matrix()
        self.given_to = self.given.T.tocsr()
        self.count = np.asarray(self.given_to.sum(axis=1)).reshape(self.raters, self.classes)

    def beliefs(self, posterior: Floats, knows: Floats) -> _Beliefs:
        """From the truth and from the chance (R, C) that a rater who gave a label, and rightly, knew it."""
        by_truth = (self.given_to @ posterior).reshape(self.raters, self.classes, self.classes)
        known = np.diagonal(by_truth, axis1=1, axis2=2) * knows
        guessed = self.count - known
        knowing = np.stack([known.sum(axis=1), guessed.sum(axis=1)], axis=1) + KNOWING
        return _Beliefs(knowing, guessed @ self.merge + STRATEGY * self.width)

    def expect(self, beliefs: _Beliefs) -> tuple[Floats, Floats, float]:
        """Posterior (I, C), chance (R, C) that a right label was known, and the bound of the log-evidence."""
        knowing, guesses = _expected_log(beliefs.knowing), _expected_log(beliefs.guesses)
        guessed = np.exp(knowing[:, 1:] + (guesses - np.log(self.width))[:, self.column])
        right = np.exp(knowing[:, :1]) + guessed
        same = np.eye(self.classes)
        chance = same * right[:, :, None] + (1 - same) * guessed[:, :, None]
        by_label = np.log(chance).reshape(-1, self.classes)
        posterior, evidence = normalised(self.given @ by_label - np.log(self.classes))
        surprise = _divergence(beliefs.knowing, np.full(2, KNOWING))
        surprise += _divergence(beliefs.guesses, STRATEGY * self.width)
        return posterior, 1 - guessed / right, evidence - surprise

    def strategy(self, beliefs: _Beliefs) -> Floats:
        """(R, C): the expected strategies."""
        mean = beliefs.guesses / beliefs.guesses.sum(axis=1, keepdims=True)
        strategy: Floats = (mean / self.width)[:, self.column]
        return strategy


def _expected_log(dirichlet: Floats) -> Floats:
    """(R, K): E log of each part of a Dirichlet variable."""
    expected: Floats = digamma(dirichlet) - digamma(dirichlet.sum(axis=1, keepdims=True))
    return expected


def _divergence(posterior: Floats, prior: Floats) -> float:
    """Σ over rows of the Kullback-Leibler divergence of Dirichlet distributions (R, K) from one prior (K,)."""
    normaliser = gammaln(posterior.sum(axis=1)) - gammaln(posterior).sum(axis=1)
    reference = gammaln(prior.sum()) - gammaln(prior).sum()
    shift = ((posterior - prior) * _expected_log(posterior)).sum(axis=1)
    return float((normaliser - reference + shift).sum())
