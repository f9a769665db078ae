"""How far raters agree: coefficients beside each other, and item by item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.statistics.agreement import (
    Agreement,
    entropies,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent_agreement,
)
from comparisons.statistics.votes import Floats, Ints
from training.preferences.pictures import steps

from .judgements import Judgements

# On each pair of contenders four things can be said: one answer, the other, tie, both bad.
CLASSES = 4
BINS = 8  # bars of the histogram, from 0 to 2 bits


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One measure of agreement with what it is good for."""

    name: str
    found: Agreement
    meaning: str


@dataclass(frozen=True, slots=True)
class ItemAgreement:
    """Histogram of the entropy of what was said of an item, in bits, over items with several judgements."""

    edges: list[float]
    counts: list[int]
    divided: int
    items: int

    @property
    def bars(self) -> list[tuple[int, float, float, int]]:
        """Number, from, to (bits) and items of every bar that has any."""
        bars = zip(range(BINS), self.edges, self.edges[1:], self.counts, strict=False)
        return [bar for bar in bars if bar[3]]

    @property
    def chart(self) -> dict[str, Any]:
        """The histogram for charts.js."""
        return {"x": "entropy, in bits", "charts": {"entropy": {"series": [steps("items", 2 / BINS, self.counts)]}}}


def coefficients(judgements: Judgements) -> list[Coefficient]:
    """Measures of agreement, each with a 95 % interval from items drawn again."""
    item, said, pair = judgements.item, judgements.preferred, judgements.pair
    relative = _whatever_the_pair(judgements)
    return [
        Coefficient(
            "Krippendorff’s α",
            krippendorff_alpha(item, said, pair),
            "beyond chance within each pair of policies; raters may miss items",
        ),
        Coefficient(
            "Gwet’s AC1", gwet_ac1(item, relative, CLASSES), "beyond chance; stays steady where one answer is rare"
        ),
        Coefficient("Fleiss’ κ", fleiss_kappa(item, relative), "beyond chance; needs as many judgements on every item"),
        Coefficient("Alike", percent_agreement(item, said), "share of pairs of judgements that say the same"),
    ]


def _whatever_the_pair(judgements: Judgements) -> np.ndarray:
    """What was said as one of four classes: the contender that was made first, the other, tie, both bad."""
    said, first = judgements.preferred, np.minimum(judgements.a, judgements.b)
    return np.select([said == first, said >= 0, said == -1], [0, 1, 2], 3)


def by_item(judgements: Judgements) -> ItemAgreement:
    """How divided raters are about items: 0 bits where all say the same, 1 where two halves differ, 2 at most."""
    found = entropies(judgements.item, judgements.preferred)
    bits = found.bits[found.judgements > 1]
    counts = np.bincount(bin_of(bits), minlength=BINS)
    edges = np.linspace(0.0, 2.0, BINS + 1)
    return ItemAgreement(edges.tolist(), counts.tolist(), int((bits > 0).sum()), len(bits))


def bin_of(bits: Floats) -> Ints:
    """The histogram's bar of each entropy, from 0."""
    bars: Ints = np.clip((bits * BINS / 2).astype(np.int64), 0, BINS - 1)
    return bars
