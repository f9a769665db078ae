"""How sure a model of all other prompts' pairs is that a pair's label is right.

Logistic regression on the antisymmetric features of features.py without intercept, that is, Bradley and Terry's model
(1952) with a linear score. Folds are of prompts: a pair is judged by the model that saw no pair of its prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.noise.features import CHARACTERS, Features, Texts

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FOLDS = 5
PENALTIES = (0.1, 0.4, 1.6, 6.4)
"""Inverse strengths of the penalty that are tried; the least log-loss on a fold decides."""
STEPS = 100

Floats = np.ndarray[Any, np.dtype[np.float64]]
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
class OutOfFold:
    """One model per fold, each fitted without it."""

    features: Features
    coefficients: Floats
    """[folds, columns]"""
    inverse_penalty: float

    @classmethod
    def fit(
        cls, prompts: Sequence[str], chosen: Sequence[str], rejected: Sequence[str], right: Floats, seed: int = 0
    ) -> OutOfFold:
        """`right` is 1 where the label says that the chosen answer is the better one and -1 where it says the
        opposite. Raises ValueError when all pairs lie in one fold."""
        folds = folds_of(prompts)
        if len(set(folds.tolist())) < 2:
            raise ValueError("All pairs have the same prompt, or too few prompts to keep some apart.")
        texts = Texts.read(prompts, chosen, rejected)
        features = Features.fit(texts)
        rows = features.matrix(texts)
        penalty = _best_penalty(rows, right, folds, seed)
        learnt = [_coefficients(rows[folds != fold], right[folds != fold], penalty, seed) for fold in range(FOLDS)]
        return cls(features, np.stack(learnt), penalty)

    def log_odds(self, prompts: Sequence[str], chosen: Sequence[str], rejected: Sequence[str]) -> Floats:
        """[pairs]: log odds that the chosen answer is the better one, by the model that has not seen the prompt."""
        rows = self.features.matrix(Texts.read(prompts, chosen, rejected))
        every = rows @ self.coefficients.T.astype(np.float32)
        found: Floats = every[np.arange(len(prompts)), folds_of(prompts)].astype(np.float64)
        return found


def _best_penalty(rows: csr_matrix, right: Floats, folds: Folds, seed: int) -> float:
    """Judged on the largest fold."""
    kept = folds == np.bincount(folds).argmax()
    losses = {}
    for penalty in PENALTIES:
        margins = right[kept] * (rows[kept] @ _coefficients(rows[~kept], right[~kept], penalty, seed))
        losses[penalty] = np.logaddexp(0, -margins).mean()
    return min(losses, key=losses.__getitem__)


def _coefficients(rows: csr_matrix, right: Floats, inverse_penalty: float, seed: int) -> Floats:
    """[columns]. Half of the pairs are turned round: the same likelihood, and two classes, as the solver wants."""
    import warnings

    from scipy.sparse import diags
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    turned = np.where(np.arange(len(right)) % 2, 1, -1)
    targets = right * turned
    solver = LogisticRegression(C=inverse_penalty, fit_intercept=False, max_iter=STEPS, tol=1e-3, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is one more penalty
        solver.fit((diags(turned.astype(np.float32)) @ rows).tocsr(), targets)
    learnt: Floats = solver.coef_[0]
    return learnt
