"""How sure a model of all other prompts' pairs is that a pair's label is right.

Logistic regression on the antisymmetric features of features.py without intercept, that is, Bradley and Terry's model
(1952) with a linear score. Folds are of prompts: a pair is judged by the model that saw no pair of its prompt. Its
margin is the log odds divided by their posterior standard deviation (Laplace's approximation with a diagonal Hessian;
MacKay 1992), so that what the model has hardly seen anything of does not count as sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.noise.estimate import log_likelihood
from training.preferences.noise.features import CHARACTERS, Features, Texts

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FOLDS = 10
PENALTIES = (0.1, 0.4, 1.6, 6.4)
"""Inverse strengths of the penalty that are tried."""
STRONGER = 2.0
"""How many times as large as `features.BLOCKS` says crosses may be made: what an answer's words are worth anywhere, and
what they are worth to one prompt, need not be equally hard to learn."""
JUDGED_FOR_PRIOR = 4_000
"""As many folds are tried as it takes to judge so many pairs."""
STOPPED_EARLY: dict[str, Any] = {"solver": "lbfgs", "max_iter": 100, "tol": 1e-3}
"""Stopping early is one more penalty: with 30 % of the labels wrong the interval of their share is narrower for it."""
DUAL: dict[str, Any] = {"solver": "liblinear", "dual": True, "max_iter": 100, "tol": 0.1}
"""Coordinate descent (Yu, Huang and Lin 2011), five times as quick where columns are fifty times as many as pairs."""
TINY = 1e-9

Floats = np.ndarray[Any, np.dtype[np.float64]]
Singles = np.ndarray[Any, np.dtype[np.float32]]
Folds = np.ndarray[Any, np.dtype[np.int64]]


def prompt_hashes(prompts: Sequence[str]) -> Folds:
    """A number per prompt, from its text alone; case and white space do not count, and only the end of a long one."""
    from sklearn.utils import murmurhash3_32

    texts = (" ".join(prompt[-CHARACTERS:].split()).casefold() for prompt in prompts)
    return np.array([murmurhash3_32(text, seed=1, positive=True) for text in texts], np.int64)


def folds_of(prompts: Sequence[str]) -> Folds:
    """The fold of each prompt."""
    return prompt_hashes(prompts) % FOLDS


@dataclass(frozen=True, slots=True)
class Learnt:
    """What one fit knows: coefficients and their posterior variances, both [columns] float32."""

    coefficients: Singles
    variances: Singles

    def margins(self, rows: csr_matrix, squares: csr_matrix) -> Floats:
        """[pairs]: log odds that the first answer is better, in standard deviations; `squares` are rows**2."""
        spread = np.sqrt(squares @ self.variances + TINY)
        found: Floats = ((rows @ self.coefficients) / spread).astype(np.float64)
        return found


@dataclass(frozen=True, slots=True)
class Prior:
    """How far coefficients may be from 0: the inverse penalty, and how many times as large crosses are made."""

    inverse_penalty: float
    crosses: float


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """One fit per fold, each without it, and the prior that they share."""

    features: Features
    learnt: tuple[Learnt, ...]
    prior: Prior

    @classmethod
    def fit(cls, prompts: Sequence[str], chosen: Sequence[str], rejected: Sequence[str], signs: Floats) -> OutOfFold:
        """`signs` are 1 where the label says that the chosen answer is the better one, -1 where it says the opposite.
        Raises ValueError when all pairs lie in one fold."""
        folds = folds_of(prompts)
        if len(set(folds.tolist())) < 2:
            raise ValueError("All pairs have the same prompt, or too few prompts to keep some apart.")
        texts = Texts.read(prompts, chosen, rejected)
        features = Features.fit(texts)
        rows = features.matrix(texts)
        prior = _best_prior(rows, features.crossed, signs, folds)
        rows = _with_crosses(rows, features.crossed, prior.crosses)
        learnt = tuple(
            _learn(rows[folds != fold], signs[folds != fold], prior.inverse_penalty) for fold in range(FOLDS)
        )
        return cls(features.with_crosses(prior.crosses), learnt, prior)

    def margins(self, prompts: Sequence[str], chosen: Sequence[str], rejected: Sequence[str]) -> Floats:
        """[pairs]: how sure the model that has not seen the prompt is that the chosen answer is the better one."""
        rows = self.features.matrix(Texts.read(prompts, chosen, rejected))
        squares = _squares(rows)
        folds, margins = folds_of(prompts), np.zeros(len(prompts))
        for fold, learnt in enumerate(self.learnt):
            own = np.flatnonzero(folds == fold)
            margins[own] = learnt.margins(rows[own], squares[own])
        return margins


def _best_prior(rows: csr_matrix, crossed: Any, signs: Floats, folds: Folds) -> Prior:
    """The one whose odds on pairs that were left out are the likeliest if labels are turned round by chance.

    Plain log-loss would decide against the noise and not for the truth: the wronger the labels, the more it favours a
    model that is sure of nothing.
    """
    sizes = np.bincount(folds, minlength=FOLDS)
    enough = int(np.searchsorted(np.cumsum(sizes), min(JUDGED_FOR_PRIOR, len(folds)))) + 1
    stronger = _with_crosses(rows, crossed, STRONGER)

    def likelihood(prior: Prior) -> float:
        scaled = rows if prior.crosses == 1 else stronger
        odds = [_left_out(scaled, signs, folds == fold, prior.inverse_penalty) for fold in range(enough)]
        return log_likelihood(np.concatenate(odds))

    plain = {prior: likelihood(prior) for prior in (Prior(penalty, 1.0) for penalty in PENALTIES)}
    best = max(plain, key=plain.__getitem__)
    # With crosses that weigh more, the rest is held back more: nothing above the best penalty so far need be tried.
    further = (Prior(best.inverse_penalty * share, STRONGER) for share in (0.25, 1.0))
    found = {best: plain[best]} | {prior: likelihood(prior) for prior in further}
    return max(found, key=found.__getitem__)


def _left_out(rows: csr_matrix, signs: Floats, out: Any, penalty: float) -> Floats:
    """Log odds of the labels of the pairs that are left out; their deviations would cost as much as the fit."""
    learnt = _coefficients(rows[~out], signs[~out], penalty, DUAL)
    odds: Floats = (rows[out] @ learnt).astype(np.float64) * signs[out]
    return odds


def _with_crosses(rows: csr_matrix, crossed: Any, strength: float) -> csr_matrix:
    scaled = rows.copy()
    scaled.data *= np.where(crossed, np.float32(strength), np.float32(1))[scaled.indices]
    return scaled


def _learn(rows: csr_matrix, signs: Floats, inverse_penalty: float) -> Learnt:
    coefficients = _coefficients(rows, signs, inverse_penalty)
    right = 1 / (1 + np.exp(-(rows @ coefficients)))
    curvature = _squares(rows).T @ (right * (1 - right)).astype(np.float32)
    return Learnt(coefficients, (1 / (1 / inverse_penalty + curvature)).astype(np.float32))


def _coefficients(
    rows: csr_matrix, signs: Floats, inverse_penalty: float, solver: Mapping[str, Any] = STOPPED_EARLY
) -> Singles:
    """[columns]. Half of the pairs are turned round: the same likelihood, and two classes, as the solver wants."""
    import warnings

    from scipy.sparse import diags
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    turned = np.where(np.arange(len(signs)) % 2, 1, -1).astype(np.float32)
    regression = LogisticRegression(C=inverse_penalty, fit_intercept=False, random_state=0, **solver)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit((diags(turned) @ rows).tocsr(), signs * turned)
    learnt: Singles = regression.coef_[0].astype(np.float32)
    return learnt


def _squares(rows: csr_matrix) -> csr_matrix:
    squares = rows.copy()
    squares.data **= 2
    return squares
