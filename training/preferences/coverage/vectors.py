"""Prompts as vectors: TF-IDF of words and word pairs, or a model's embeddings, reduced to 64 dimensions.

The reduction is a truncated singular value decomposition (latent semantic analysis, Deerwester et al. 1990). What it
is fitted on is a sample in which data and target weigh the same, so that a topic of a small target has its say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from training.preferences.checks.findings import RowNumbers

DIMENSIONS = 64
TERMS = 2**17
# Words of two and more letters or digits; in scripts that leave no spaces every character is one.
WORD = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W_]{2,}"

Matrix = Any
"""A sparse or dense matrix [prompts, features]."""

Vectors = np.ndarray[Any, np.dtype[np.float32]]


class Features(Protocol):
    """What makes features of prompts; `note` says how, for people."""

    note: str

    def __call__(self, texts: Sequence[str], numbers: RowNumbers) -> Matrix:
        """[len(texts), features]; `numbers` are the prompts' numbers, the target's counted on from the data's."""


class TfIdf:
    """Sublinear TF-IDF of words and pairs of neighbouring words, hashed to TERMS columns."""

    def __init__(self, sample: Sequence[str], note: str = "") -> None:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        self.note = note or "TF-IDF of words and word pairs, reduced by SVD"
        self.counts = HashingVectorizer(
            ngram_range=(1, 2), n_features=TERMS, alternate_sign=False, norm=None, token_pattern=WORD, dtype=np.float32
        )
        self.weights = TfidfTransformer(sublinear_tf=True).fit(self.counts.transform(sample))

    def __call__(self, texts: Sequence[str], numbers: RowNumbers) -> Matrix:
        return self.weights.transform(self.counts.transform(texts))


class Embedded:
    """Rows of a matrix that a model made of all prompts, data first (embeddings.py)."""

    def __init__(self, matrix: Vectors, note: str) -> None:
        self.matrix = matrix
        self.note = note

    def __call__(self, texts: Sequence[str], numbers: RowNumbers) -> Matrix:
        return np.asarray(self.matrix[numbers], np.float32)


class Reduction:
    """Features to unit vectors of at most DIMENSIONS coordinates."""

    def __init__(self, features: Matrix, weights: Vectors, seed: int = 0) -> None:
        from sklearn.decomposition import TruncatedSVD

        components = min(DIMENSIONS, min(features.shape) - 1)
        self.svd = TruncatedSVD(max(1, components), random_state=seed)
        # A row that weighs w times as much counts w times in the sum of squares that the SVD keeps.
        with np.errstate(invalid="ignore"):  # of prompts that are all alike, shares of a variance of 0
            self.svd.fit(_scaled(features, np.sqrt(weights)))

    def __call__(self, features: Matrix) -> Vectors:
        from sklearn.preprocessing import normalize

        unit: Vectors = normalize(self.svd.transform(features)).astype(np.float32)
        return unit


def _scaled(features: Matrix, factors: Vectors) -> Matrix:
    from scipy.sparse import diags_array, issparse

    return diags_array(factors) @ features if issparse(features) else factors[:, None] * features


def balanced_weights(is_target: np.ndarray[Any, np.dtype[np.bool_]]) -> Vectors:
    """Weights with mean 1 under which data and target have the same total; all 1 where there is only one of them."""
    share = is_target.mean()
    if share in (0, 1):
        return np.ones(len(is_target), np.float32)
    return np.where(is_target, 0.5 / share, 0.5 / (1 - share)).astype(np.float32)
