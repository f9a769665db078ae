"""Topics: clusters of prompts, the words that name them, the prompts that show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training.preferences.checks.findings import RowNumbers
from training.preferences.coverage.vectors import WORD, Vectors

FEWEST_CLUSTERS, MOST_CLUSTERS = 8, 64
PROMPTS_PER_CLUSTER = 5
"""So many prompts a cluster has at least on average; of a handful of prompts there are fewer clusters."""
WORDS = 5
MOST_WORDS = 20_000
EXAMPLES = 5

Labels = np.ndarray[Any, np.dtype[np.int32]]


def number_of_clusters(prompts: int) -> int:
    """Grows with the square root of the prompts, within bounds: 8 up to 144 prompts, 64 from 9,216 on."""
    wanted = min(max(round(math.sqrt(prompts) / 1.5), FEWEST_CLUSTERS), MOST_CLUSTERS)
    return max(1, min(wanted, prompts // PROMPTS_PER_CLUSTER))


class Clusters:
    """k-means on a weighted sample; numbers are those of `centres`, the largest cluster of the sample first."""

    def __init__(self, vectors: Vectors, weights: Vectors, count: int, seed: int = 0) -> None:
        from sklearn.cluster import KMeans

        # Copies of one prompt are one point: k-means cannot make more clusters than there are points.
        count = min(count, len(np.unique(vectors, axis=0)))
        model = KMeans(count, random_state=seed, n_init=1, max_iter=100).fit(vectors, sample_weight=weights)
        order = np.argsort(-np.bincount(model.labels_, weights, minlength=count), kind="stable")
        self.centres: Vectors = model.cluster_centers_[order].astype(np.float32)

    def __len__(self) -> int:
        return len(self.centres)

    def nearest(self, vectors: Vectors) -> tuple[Labels, Vectors]:
        """The cluster of every vector, and the squared distance to its centre."""
        distances = squared_distances(vectors, self.centres)
        labels = distances.argmin(axis=1)
        return labels.astype(np.int32), distances[np.arange(len(labels)), labels]


def squared_distances(these: Vectors, those: Vectors) -> Vectors:
    """[len(these), len(those)], up to rounding."""
    inner = these @ those.T
    squares = (these**2).sum(axis=1)[:, None] + (those**2).sum(axis=1)[None, :]
    distances: Vectors = np.maximum(squares - 2 * inner, 0)
    return distances


@dataclass
class Closest:
    """Collects, batch by batch, the prompts closest to each centre: (distance, number, text), closest first."""

    kept: int = EXAMPLES
    found: dict[int, list[tuple[float, int, str]]] = field(default_factory=dict)

    def add(self, labels: Labels, distances: Vectors, numbers: RowNumbers, texts: Sequence[str]) -> None:
        """A batch; a text that a cluster shows already is not kept twice."""
        order = np.lexsort((numbers, distances, labels))
        starts = np.flatnonzero(np.r_[True, np.diff(labels[order]) != 0])
        for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
            # Equal texts (a target may hold them) stand beside each other: look a little further than is kept.
            for place in order[start : min(end, start + 4 * self.kept)]:
                self._offer(int(labels[place]), float(distances[place]), int(numbers[place]), texts[place])

    def _offer(self, label: int, distance: float, number: int, text: str) -> None:
        held = self.found.setdefault(label, [])
        if all(text != other for _, _, other in held):
            held.append((distance, number, text))
            held.sort()
            del held[self.kept :]

    def of(self, label: int) -> list[tuple[int, str]]:
        """Number and text of the closest prompts of a cluster."""
        return [(number, text) for _, number, text in self.found.get(label, [])]


def naming_words(texts: Sequence[str], labels: Labels, weights: Vectors, count: int) -> list[list[str]]:
    """For each cluster the words whose mean TF-IDF within it exceeds that outside it most."""
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

    vectorizer = TfidfVectorizer(
        token_pattern=WORD, stop_words=list(ENGLISH_STOP_WORDS), max_features=MOST_WORDS, dtype=np.float32
    )
    try:
        terms = vectorizer.fit_transform(texts)
    except ValueError:  # no word in any of them
        return [[] for _ in range(count)]
    member = csr_array((weights, (labels, np.arange(len(texts)))), (count, len(texts)))
    sums, sizes = np.asarray((member @ terms).todense()), np.bincount(labels, weights, minlength=count)
    within = sums / np.maximum(sizes, 1e-9)[:, None]
    outside = (sums.sum(axis=0) - sums) / np.maximum(sizes.sum() - sizes, 1e-9)[:, None]
    names = vectorizer.get_feature_names_out()
    return [_top(names, lift) for lift in within - outside]


def _top(names: Any, lift: Vectors) -> list[str]:
    order = np.argsort(-lift, kind="stable")[:WORDS]
    return [str(names[term]) for term in order if lift[term] > 0]
