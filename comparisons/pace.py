"""How fast a study's judgements come in, and when it will be done."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from django.utils import timezone

from .models import Assignment, Rating, Study

BREAK = timedelta(minutes=5)  # a longer gap between two judgements of a person is no work


@dataclass(frozen=True, slots=True)
class Pace:
    """Judgements over time, of comparisons that count.

    `hours`: (start of the hour, judgements) from the first to the last, gaps included; `per_hour`: of the time in
    which anybody worked; `worked`: hours of all people together, and `cost` what they cost; `finished_at`: None while
    it cannot be told.
    """

    hours: tuple[tuple[datetime, int], ...]
    last_day: int
    per_hour: float | None
    worked: float
    cost: float
    finished_at: datetime | None


def pace_of(study: Study, missing: int) -> Pace:
    """The study's pace; `missing` judgements are still wanted."""
    rows = Rating.objects.counted().filter(assignment__item__study=study).order_by("created_at")
    times = list(rows.values_list("assignment__rater", "created_at", "seconds"))
    at = [created for _, created, _ in times]
    now = timezone.now()
    last_day = sum(created > now - timedelta(days=1) for created in at)
    finished = now + timedelta(days=missing / last_day) if missing and last_day else None
    active, worked = busy_hours(at), sum(worked_seconds(times).values()) / 3600
    return Pace(
        hours=by_hour(at),
        last_day=last_day,
        per_hour=len(at) / active if active else None,
        worked=worked,
        cost=worked * study.rules.hourly_pay,
        finished_at=finished,
    )


def by_hour(times: Sequence[datetime]) -> tuple[tuple[datetime, int], ...]:
    """Judgements in each hour from the first to the last."""
    counted = Counter(time.replace(minute=0, second=0, microsecond=0) for time in times)
    if not counted:
        return ()
    first, last = min(counted), max(counted)
    hours = int((last - first).total_seconds() // 3600)
    return tuple((hour, counted[hour]) for hour in (first + timedelta(hours=n) for n in range(hours + 1)))


def busy_hours(times: Sequence[datetime]) -> float:
    """Hours in which judgements came without a gap longer than BREAK; `times` in order."""
    gaps = (after - before for before, after in pairwise(times))
    return sum((gap for gap in gaps if gap <= BREAK), timedelta()).total_seconds() / 3600


def worked_seconds(judged: Iterable[tuple[int, datetime, float]]) -> dict[int, float]:
    """Rater id -> seconds of work, from (rater, time, seconds since the item was shown).

    One judgement counts at most BREAK: people leave items open.
    """
    total: dict[int, float] = defaultdict(float)
    for rater, _, seconds in judged:
        total[rater] += min(seconds, BREAK.total_seconds())
    return total


def active_raters(study: Study) -> int:
    """People who hold an item right now."""
    now = timezone.now()
    held = Assignment.objects.filter(item__study=study, state="open", shown_at__isnull=False, lease_until__gt=now)
    return held.values("rater").distinct().count()
