"""How far a person is in a study, without telling which of their items were checks."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from statistics import median

from django.db.models import Count, Q
from django.utils import timezone

from alignapp.accounts.models import User
from comparisons.models import Assignment, AssignmentState, ItemKind, Rating, Study

from .giving import free_items

PACE_SAMPLE = 20  # so many latest judgements tell a rater's pace
PACE_LEAST = 5  # with fewer, one interrupted judgement would be the pace
OVER = Q(state__in=(AssignmentState.DONE, AssignmentState.SKIPPED, AssignmentState.LATE))
COMPARISON = Q(item__kind=ItemKind.COMPARISON, repeats=None)


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

    def __str__(self) -> str:
        left = self.minutes_left
        return f"{self.judged} of {self.total}" + (f" · about {left} min left" if left else "")


def progress(study: Study, rater: User) -> Progress:
    """What this person judged or skipped, and what still waits for them.

    The total counts the checks and repeats to be expected, and does not move when one comes: a total that grows by one
    would tell a check from a comparison.
    """
    running = Q(state=AssignmentState.OPEN, lease_until__gt=timezone.now(), item__quarantine="")
    has_room = Q(item__quarantine="", item__held__lt=study.ratings_per_item)
    mine = Assignment.objects.filter(item__study=study, rater=rater).exclude(item__kind=ItemKind.TRAINING)
    counts = mine.aggregate(
        judged=Count("pk", filter=OVER),
        comparisons=Count("pk", filter=OVER & COMPARISON),
        held=Count("pk", filter=running & COMPARISON),
        seen=Count("pk", filter=has_room & COMPARISON & ~Q(state=AssignmentState.EXPIRED)),
    )
    free = counts["held"] + _free(study, rater, counts["seen"])
    total = ceil((counts["comparisons"] + free) * (1 + study.rules.extra_share))
    return Progress(counts["judged"], max(total - counts["judged"], min(1, free)), _pace(rater))


def _free(study: Study, rater: User, seen: int) -> int:
    """How many items this person may still get; `seen` of those with a free place they had already."""
    if rater.is_researcher:  # may have launched what is compared
        return free_items(study, rater).count()
    # Two counts by an index instead of asking of every item whether it was seen.
    return study.items.comparisons().filter(held__lt=study.ratings_per_item).count() - seen


def _pace(rater: User) -> float | None:
    """Median seconds of the person's latest judgements; None while they are too few to tell."""
    mine = Rating.objects.judged().filter(assignment__rater=rater).order_by("-id")
    seconds = mine.values_list("seconds", flat=True)[:PACE_SAMPLE]
    return median(seconds) if len(seconds) >= PACE_LEAST else None
