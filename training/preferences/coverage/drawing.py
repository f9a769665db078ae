"""From a survey to a map: which topics the prompts have, where they stand, and how the target's compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from training.preferences.checks.findings import RowNumbers
from training.preferences.coverage import contrast, embeddings
from training.preferences.coverage.clusters import Closest, Clusters, Labels, naming_words, number_of_clusters
from training.preferences.coverage.comparison import Comparison, Distance, compare, distance
from training.preferences.coverage.layout import POINTS, Layout
from training.preferences.coverage.prompts import (
    DifferentPrompts,
    batches,
    different_prompts,
    drawn,
    excerpt,
    excerpts,
    texts_of,
)
from training.preferences.coverage.vectors import (
    Embedded,
    Features,
    Matrix,
    Reduction,
    TfIdf,
    Vectors,
    balanced_weights,
)
from training.preferences.partials import scratch
from training.preferences.survey import Survey

SAMPLE = 10_000
"""Prompts of each side that topics are drawn from; the others are put to the topic they are nearest to."""
CONTRAST_SCALE = 2.0
"""Length of the axis that sets apart what only the target has, in units of the topics' unit vectors. With 2, prompts
that are surely the target's are further from all others than any two topics are from each other."""
TARGET_NUMBERS = 200
"""Target prompts of a topic that are remembered by their place in the target, for filling the gap."""


@dataclass(frozen=True)
class Topic:
    """A cluster; `pairs` are rows of the version, `data` its different prompts. Examples: (row, text) of the version,
    (place, text) of the target, closest to the centre first. `places`: the first of its prompts in the target."""

    number: int
    words: list[str]
    data: int
    pairs: int
    target: int
    data_examples: list[tuple[int, str]]
    target_examples: list[tuple[int, str]]
    places: list[int]


@dataclass(frozen=True)
class Coverage:
    """The map. `points` [points, 4]: x, y, topic, 1 for the target; comparison, auc and distance only with a target."""

    topics: list[Topic]
    of_row: Labels
    xy_of_row: Vectors
    points: RowNumbers
    note: str
    comparison: Comparison | None = None
    auc: tuple[float, float, float] | None = None
    distance: Distance | None = None


@dataclass(frozen=True)
class Space:
    """Where prompts stand: unit vectors of what they are about and, beside a target, one axis more.

    Topics alone miss a gap that runs across them: questions about islands that the data leaves out are worded like all
    other questions. On the further axis stands how surely contrast.py tells a prompt from the data's (0: not at all).
    """

    features: Features
    reduction: Reduction
    contrast: contrast.Contrast | None

    def place(self, texts: Sequence[str], numbers: RowNumbers, features: Matrix | None = None) -> Vectors:
        """[texts, dimensions] of prompts with these numbers, the target's counted on from the data's."""
        features = self.features(texts, numbers) if features is None else features
        vectors = self.reduction(features)
        if self.contrast is None:
            return vectors
        sure = np.maximum(0, 2 * self.contrast.probability(features, contrast.folds_of(texts)) - 1)
        return np.column_stack([vectors, CONTRAST_SCALE * sure]).astype(np.float32)


@dataclass(frozen=True)
class Sample:
    """Prompts that everything is fitted on: numbers (the target's counted on), texts, which are the target's."""

    numbers: RowNumbers
    texts: list[str]
    is_target: contrast.Flags
    weights: Vectors


def draw(survey: Survey) -> Coverage:
    """The map of a version's prompts, beside those of its targets if it has any."""
    prompts = different_prompts(survey.database)
    target = [excerpt(text) for texts in survey.targets.values() for text in texts]
    sample = _sample(survey, prompts, target)
    with _features(survey, prompts, target, sample) as features:
        return _drawn(survey, prompts, target, sample, features)


def _drawn(
    survey: Survey, prompts: DifferentPrompts, target: list[str], sample: Sample, features: Features
) -> Coverage:
    matrix = features(sample.texts, sample.numbers)
    told = contrast.fit(matrix, sample.texts, sample.is_target)
    space = Space(features, Reduction(matrix, sample.weights), told)
    vectors = space.place(sample.texts, sample.numbers, matrix)
    clusters = Clusters(vectors, sample.weights, number_of_clusters(len(sample.texts)))
    shown = _shown(sample)
    survey.progress("placing prompts on the map")
    layout = Layout(vectors[shown])
    ours = _Placed(space, clusters, layout, len(prompts))
    for some in excerpts(survey.database, prompts):
        ours.add(some.numbers, some.texts)
    theirs = _Placed(space, clusters, layout, len(target), offset=len(prompts))
    for some in batches(target):
        theirs.add(some.numbers, some.texts)
    labels = clusters.nearest(vectors)[0]
    words = naming_words(sample.texts, labels, sample.weights, len(clusters))
    points = np.column_stack([np.rint(layout.places), labels[shown], sample.is_target[shown]]).astype(np.int64)
    coverage = Coverage(
        topics=[_topic(number, words[number], prompts, ours, theirs) for number in range(len(clusters))],
        of_row=ours.labels[prompts.of_row],
        xy_of_row=ours.places[prompts.of_row],
        points=points,
        note=features.note,
    )
    return _compared(coverage, ours.counts, theirs.counts, told, matrix, sample) if target else coverage


def _compared(
    coverage: Coverage, ours: RowNumbers, theirs: RowNumbers, told: Any, matrix: Matrix, sample: Sample
) -> Coverage:
    area = None
    if told is not None:
        area = contrast.auc(told.probability(matrix, contrast.folds_of(sample.texts)), sample.is_target)
    return replace(coverage, comparison=compare(ours, theirs), auc=area, distance=distance(ours, theirs))


def _sample(survey: Survey, prompts: DifferentPrompts, target: list[str]) -> Sample:
    """At most SAMPLE different prompts of each side."""
    ours = drawn(len(prompts), SAMPLE)
    first: dict[str, int] = {}
    for place, text in enumerate(target):
        first.setdefault(text, place)
    different = np.fromiter(first.values(), np.int64, len(first))
    theirs = different[drawn(len(different), SAMPLE)]
    texts = [*texts_of(survey.database, prompts, ours), *(target[place] for place in theirs.tolist())]
    is_target = np.arange(len(texts)) >= len(ours)
    return Sample(np.r_[ours, theirs + len(prompts)], texts, is_target, balanced_weights(is_target))


@contextmanager
def _features(survey: Survey, prompts: DifferentPrompts, target: list[str], sample: Sample) -> Iterator[Features]:
    """A model's embeddings where one is configured and works, else TF-IDF, with a note that says which and why."""
    model = survey.settings.embedding_model
    with scratch(survey.path, "embeddings") as folder:
        note = ""
        if model:
            name = Path(model).name
            try:
                matrix = embeddings.embed(_all(survey, prompts, target), model, folder, survey.progress)
            except embeddings.NotEmbedded as reason:
                note = f"TF-IDF and SVD, because the model {name} gave no embeddings: {reason}"
            else:
                yield Embedded(
                    matrix, f"embeddings of the model {name} (mean of its last hidden states), reduced by SVD"
                )
                return
        survey.progress("words of the prompts")
        yield TfIdf(sample.texts, note)


def _all(survey: Survey, prompts: DifferentPrompts, target: list[str]) -> Iterator[str]:
    """All prompts by number; the version's come in order, because its rows are read in order."""
    ours = chain.from_iterable(some.texts for some in excerpts(survey.database, prompts))
    return chain(ours, target)


def _shown(sample: Sample) -> RowNumbers:
    """The places in the sample of the prompts that the picture shows: half from each side if there are enough."""
    ours, theirs = np.flatnonzero(~sample.is_target), np.flatnonzero(sample.is_target)
    few = min(len(theirs), max(POINTS // 2, POINTS - len(ours)))
    shown: RowNumbers = np.r_[ours[drawn(len(ours), POINTS - few)], theirs[drawn(len(theirs), few)]]
    return shown


class _Placed:
    """Topics and places of one side's prompts, filled batch by batch."""

    def __init__(self, space: Space, clusters: Clusters, layout: Layout, prompts: int, offset: int = 0) -> None:
        self.space, self.clusters, self.layout, self.offset = space, clusters, layout, offset
        self.labels: Labels = np.full(prompts, -1, np.int32)
        self.places: Vectors = np.zeros((prompts, 2), np.float32)
        self.closest = Closest()

    def add(self, numbers: RowNumbers, texts: list[str]) -> None:
        vectors = self.space.place(texts, numbers + self.offset)
        labels, distances = self.clusters.nearest(vectors)
        self.labels[numbers], self.places[numbers] = labels, self.layout(vectors)
        self.closest.add(labels, distances, numbers, texts)

    @property
    def counts(self) -> RowNumbers:
        """Prompts per topic."""
        return np.bincount(self.labels, minlength=len(self.clusters))


def _topic(number: int, words: list[str], prompts: DifferentPrompts, ours: _Placed, theirs: _Placed) -> Topic:
    mine = ours.labels == number
    places = np.flatnonzero(theirs.labels == number)
    return Topic(
        number=number,
        words=words,
        data=int(mine.sum()),
        pairs=int(prompts.rows[mine].sum()),
        target=len(places),
        data_examples=[(int(prompts.first[prompt]), text) for prompt, text in ours.closest.of(number)],
        target_examples=theirs.closest.of(number),
        places=places[:TARGET_NUMBERS].tolist(),
    )
