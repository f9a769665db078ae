"""The picture: prompts in two dimensions, so that neighbours are alike. Distances across the picture mean little."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.preferences.coverage.clusters import squared_distances
from training.preferences.coverage.vectors import Vectors

POINTS = 1_500
"""Prompts that t-SNE places; every other takes the place of the one it is most like."""
PERPLEXITY = 30
FEWEST_FOR_TSNE = 100
SIDE = 1_000


class Layout:
    """Places of some prompts: t-SNE (van der Maaten and Hinton 2008) begun from the principal components."""

    def __init__(self, vectors: Vectors, seed: int = 0) -> None:
        self.vectors = vectors
        self.places: Vectors = _filling(_tsne(vectors, seed) if len(vectors) >= FEWEST_FOR_TSNE else _plane(vectors))

    def __call__(self, vectors: Vectors) -> Vectors:
        """Where prompts are in the picture, [prompts, 2] within 0 … SIDE."""
        nearest = squared_distances(vectors, self.vectors).argmin(axis=1)
        places: Vectors = self.places[nearest]
        return places


def _tsne(vectors: Vectors, seed: int) -> Any:
    from sklearn.manifold import TSNE

    return TSNE(2, init="pca", perplexity=PERPLEXITY, max_iter=500, random_state=seed).fit_transform(vectors)


def _plane(vectors: Vectors) -> Any:
    """The first two principal components; zeros where there are none."""
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(vectors), 2))
    plane[:, : min(2, len(sizes))] = (left * sizes)[:, :2]
    return plane


def _filling(places: Any) -> Vectors:
    """Shifted and stretched to fill a square; what varies in no direction stands in its middle."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = np.where(high - low > 1e-9, high - low, 1.0)
    filled = np.where(high - low > 1e-9, (places - low) / span, 0.5)
    return np.asarray(SIDE * filled, np.float32)
