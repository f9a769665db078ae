"""A classifier that tells prompts of the target from prompts of the data, and how well it can.

Logistic regression on the features. Texts are divided into folds by a hash of the text, and every text is judged by
the model of its fold, which has seen no text of that fold: so what it says of a prompt does not depend on whether
that prompt came from the data or from the target, and a test on top of it stays honest.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.preferences.coverage.vectors import Matrix, Vectors
from training.preferences.intervals import Z95

FOLDS = 5
FEWEST = 20
"""Different prompts of each side from which a classifier is worth training."""

Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Contrast:
    """One linear model per fold: coefficients [FOLDS, features] and intercepts [FOLDS]."""

    coefficients: Vectors
    intercepts: Vectors

    def probability(self, features: Matrix, folds: np.ndarray[Any, np.dtype[np.int64]]) -> Vectors:
        """P(target) of every prompt under the model of its fold, were both sides equally large."""
        logits = np.asarray(features @ self.coefficients.T) + self.intercepts
        own = np.take_along_axis(logits, folds[:, None], axis=1)[:, 0]
        probability: Vectors = (1 / (1 + np.exp(-own))).astype(np.float32)
        return probability


def folds_of(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The fold of every text; equal texts are in one fold."""
    return np.fromiter((zlib.crc32(text.encode(errors="replace")) % FOLDS for text in texts), np.int64, len(texts))


def fit(features: Matrix, texts: Sequence[str], is_target: Flags) -> Contrast | None:
    """The classifier of a sample; None where either side has fewer than FEWEST prompts."""
    if min(is_target.sum(), (~is_target).sum()) < FEWEST:
        return None
    folds = folds_of(texts)
    coefficients = np.zeros((FOLDS, features.shape[1]), np.float32)
    intercepts = np.zeros(FOLDS, np.float32)
    for fold in range(FOLDS):
        others = folds != fold
        if len(np.unique(is_target[others])) == 2:  # else its probability stays one half
            model = _logistic().fit(features[others], is_target[others])
            coefficients[fold], intercepts[fold] = model.coef_[0], model.intercept_[0]
    return Contrast(coefficients, intercepts)


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1.0, class_weight="balanced", solver="liblinear", random_state=0)


def auc(probability: Vectors, is_target: Flags) -> tuple[float, float, float]:
    """Area under the ROC curve with its 95 % interval (Hanley and McNeil 1982); 0.5: nothing tells the two apart."""
    from sklearn.metrics import roc_auc_score

    area = float(roc_auc_score(is_target, probability))
    positives, negatives = int(is_target.sum()), int((~is_target).sum())
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    error = math.sqrt((area * (1 - area) + spread) / (positives * negatives))
    return area, max(0.0, area - Z95 * error), min(1.0, area + Z95 * error)
