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

from .judgements import Judgements

MOST_DIVIDED = 20
# On each pair of contenders four things can be said: one answer, the other, tie, both bad.
CLASSES = 4


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
    def chart(self) -> dict[str, Any]:
        """The histogram for charts.js."""
        steps = {"label": "items", "x": self.edges, "y": [*self.counts, self.counts[-1]], "steps": True}
        return {"x": "bits", "charts": {"entropy": {"series": [steps]}}}


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
    counts, edges = np.histogram(bits, bins=8, range=(0.0, 2.0))
    return ItemAgreement(edges.tolist(), counts.tolist(), int((bits > 0).sum()), len(bits))
