"""How far a person is in a study, without telling which of their items were checks."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from statistics import median

from alignapp.accounts.models import User
from comparisons.models import Assignment, AssignmentState, ItemKind, Rating, Study

from .giving import free_items
from .leases import held_by

PACE_SAMPLE = 20  # so many latest judgements tell a rater's pace
PACE_LEAST = 5  # with fewer, one interrupted judgement would be the pace
OVER = (AssignmentState.DONE, AssignmentState.SKIPPED, AssignmentState.LATE)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a person is in a study; `seconds_per_item` is None before their first few judgements."""

    judged: int
    waiting: int
    seconds_per_item: float | None

    @property
    def total(self) -> int:
        return self.judged + self.waiting

    @property
    def minutes_left(self) -> int | None:
        """Whole minutes, at least one; None when the pace is not known."""
        return None if self.seconds_per_item is None else max(1, round(self.waiting * self.seconds_per_item / 60))


def progress(study: Study, rater: User) -> Progress:
    """What this person judged or skipped, and what still waits for them.

    The total counts the checks and repeats to be expected, and does not move when one comes: a total that grows by one
    would tell a check from a comparison.
    """
    mine = Assignment.objects.filter(item__study=study, rater=rater)
    seen = mine.filter(state__in=OVER).exclude(item__kind=ItemKind.TRAINING)
    judged = seen.count()
    comparisons = seen.filter(item__kind=ItemKind.COMPARISON, repeats=None).count()
    held = held_by(rater).filter(item__study=study, item__kind=ItemKind.COMPARISON, repeats=None).count()
    free = free_items(study, rater).count() + held
    total = ceil((comparisons + free) * (1 + study.rules.extra_share))
    return Progress(judged, max(total - judged, min(1, free)), _pace(rater))


def _pace(rater: User) -> float | None:
    """Median seconds of the person's latest judgements; None while they are too few to tell."""
    mine = Rating.objects.judged().filter(assignment__rater=rater).order_by("-id")
    seconds = mine.values_list("seconds", flat=True)[:PACE_SAMPLE]
    return median(seconds) if len(seconds) >= PACE_LEAST else None
