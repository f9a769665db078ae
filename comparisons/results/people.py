"""Each rater's judgements: pace, sides, and how often others who saw the same item said the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median

import numpy as np

from comparisons.models import AssignmentState, Rating, Study
from comparisons.statistics.agreement import AgainstRest, against_rest
from comparisons.statistics.shares import Share, share

from .judgements import EVERYTHING, Judgements, Look, Said, asked


@dataclass(frozen=True, slots=True)
class RaterRow:
    """One person's judgements. `same_as_others` is over pairs of judgements on one item."""

    rater: int
    name: str
    judged: int
    skipped: int
    median_seconds: float
    side_a: Share | None
    ties: int
    both_bad: int
    same_as_others: Share | None


def side_a(judgements: Judgements) -> Share | None:
    """How often the left answer was preferred, of all that preferred one."""
    return share(judgements.count(Said.A), judgements.count(Said.A, Said.B))


def rater_rows(study: Study, judgements: Judgements, look: Look = EVERYTHING) -> list[RaterRow]:
    """One row per person who judged or skipped what is looked at, the busiest first."""
    everybody = Rating.objects.filter(asked(study, look))
    skips = everybody.standing().filter(assignment__state=AssignmentState.SKIPPED)
    skipped = Counter(skips.values_list("assignment__rater", flat=True))
    people = dict(everybody.values_list("assignment__rater", "assignment__rater__username"))
    beside = against_rest(judgements.item, judgements.rater, judgements.preferred)
    rows = [
        _row(rater, name, judgements.where(judgements.rater == rater), skipped[rater], beside)
        for rater, name in people.items()
    ]
    return sorted(rows, key=lambda row: (-row.judged, row.name))


def _row(rater: int, name: str, mine: Judgements, skipped: int, beside: AgainstRest) -> RaterRow:
    return RaterRow(
        rater=rater,
        name=name,
        judged=len(mine),
        skipped=skipped,
        median_seconds=median(mine.seconds.tolist()) if len(mine) else 0.0,
        side_a=side_a(mine),
        ties=mine.count(Said.TIE),
        both_bad=mine.count(Said.BOTH_BAD),
        same_as_others=_same(beside, rater),
    )


def _same(beside: AgainstRest, rater: int) -> Share | None:
    at = np.flatnonzero(beside.raters == rater)
    if not len(at) or not beside.units[at[0]]:
        return None
    value, low, high = (float(column[at[0]]) for column in (beside.share, beside.low, beside.high))
    return Share(value, low, high, int(beside.units[at[0]]))
