"""What was said of a study's items, as arrays: the input of every consensus rule."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet

from comparisons.models import Adjudication, Item, Rating, Study, Verdict
from comparisons.statistics.votes import Ints

from .rules import Tally

VERDICTS = (Verdict.FIRST, Verdict.SECOND, Verdict.TIE, Verdict.BOTH_BAD)
CODES = {verdict: code for code, verdict in enumerate(VERDICTS)}


@dataclass(frozen=True, slots=True)
class Judgements:
    """Counted judgements of items that raters see. Arrays (n,), ids of rows; `verdict` is a place in VERDICTS."""

    item: Ints
    rater: Ints
    verdict: Ints

    def without(self, raters: Collection[int]) -> Judgements:
        """Those of everybody else."""
        kept = ~np.isin(self.rater, list(raters))
        return Judgements(self.item[kept], self.rater[kept], self.verdict[kept])

    def tallies(self) -> dict[int, Tally]:
        """Item -> what was said of it; items without a judgement are missing."""
        items, places = np.unique(self.item, return_inverse=True)
        counts = np.zeros((len(items), len(VERDICTS)), dtype=np.int64)
        np.add.at(counts, (places, self.verdict), 1)
        return {item: Tally(*row) for item, row in zip(items.tolist(), counts.tolist(), strict=True)}


def judgements_of(study: Study) -> Judgements:
    """All counted judgements of the study's items, in the order in which they came."""
    rows = counted(study).order_by("id")
    columns = rows.values_list("assignment__item", "assignment__rater", "assignment__first_is_a", "choice")
    said = [
        (item, rater, CODES[verdict])
        for item, rater, first_is_a, choice in columns.iterator()
        if (verdict := Verdict.of(choice, first_is_a))
    ]
    table = np.array(said, dtype=np.int64).reshape(-1, 3)
    return Judgements(table[:, 0], table[:, 1], table[:, 2])


def counted(study: Study) -> QuerySet[Rating]:
    """Counted judgements of the study's items."""
    return Rating.objects.counted().filter(assignment__item__study=study)


def adjudications_of(study: Study) -> dict[int, Verdict]:
    """Item -> the latest decision on it."""
    rows = Adjudication.objects.filter(item__in=Item.objects.comparisons().filter(study=study)).order_by("id")
    return {item: Verdict(verdict) for item, verdict in rows.values_list("item", "verdict")}
