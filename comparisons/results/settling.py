"""Who wins how many items when several judgements of each are settled in different ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comparisons.export.consensus import posterior
from comparisons.export.rules import Consensus
from comparisons.models import Contender
from comparisons.statistics.aggregation.labels import UNDECIDED, most_likely
from comparisons.statistics.votes import Floats, Ints

from .judgements import Judgements, Said, labels_of

WAYS = tuple(Consensus)
NAMES = {
    Consensus.MAJORITY: "Most votes",
    Consensus.DAWID_SKENE: "Dawid–Skene",
    Consensus.MACE: "MACE",
    Consensus.GLAD: "GLAD",
}


@dataclass(frozen=True, slots=True)
class Settled:
    """What each way makes of the items: the share that each contender wins, and how many are settled unlike most votes.

    `rows`: contender and its share of the items it is in and that are not bad, ties as halves, a number per way (None
    without such an item). `otherwise`: items settled unlike most votes, per way. `undecided`: items on which nothing
    is the likeliest.
    """

    names: tuple[str, ...]
    items: int
    rows: list[tuple[Contender, list[float | None]]]
    otherwise: list[int]
    undecided: list[int]


def settled(judgements: Judgements, contenders: Sequence[Contender]) -> Settled | None:
    """Settle every item that has two judgements, or more, in every way; None where there is none."""
    judgements = _of_several(judgements)
    if not len(judgements):
        return None
    lower, higher = np.minimum(judgements.a, judgements.b), np.maximum(judgements.a, judgements.b)
    labels = labels_of(judgements)
    found = [most_likely(posterior(labels, way)) for way in WAYS]
    _, at = np.unique(judgements.item, return_index=True)
    shares = [_shares(one, lower[at], higher[at], len(contenders)) for one in found]
    return Settled(
        names=tuple(NAMES[way] for way in WAYS),
        items=labels.items,
        rows=[(contender, [share[place] for share in shares]) for place, contender in enumerate(contenders)],
        otherwise=[int((one != found[0]).sum()) for one in found],
        undecided=[int((one == UNDECIDED).sum()) for one in found],
    )


def _of_several(judgements: Judgements) -> Judgements:
    """Those of items that have at least two: with one there is nothing to settle."""
    items, counts = np.unique(judgements.item, return_counts=True)
    return judgements.where(np.isin(judgements.item, items[counts > 1]))


def _shares(found: Ints, lower: Ints, higher: Ints, contenders: int) -> list[float | None]:
    """The share of its items that each contender wins, ties as halves."""
    score = np.select([found == Said.A, found == Said.B, found == Said.TIE], [1.0, 0.0, 0.5], np.nan)
    told = ~np.isnan(score)
    won = _sums(lower[told], score[told], contenders) + _sums(higher[told], 1 - score[told], contenders)
    played = _sums(lower[told], np.ones(told.sum()), contenders) + _sums(higher[told], np.ones(told.sum()), contenders)
    return [float(one / of) if of else None for one, of in zip(won, played, strict=True)]


def _sums(place: Ints, value: Floats, contenders: int) -> Floats:
    sums: Floats = np.bincount(place, weights=value, minlength=contenders).astype(np.float64)
    return sums
