"""How fast a study's judgements come in, what they cost, and when it will be done; counted in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import dropwhile

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Least
from django.utils import timezone

from .models import Assignment, AssignmentState, Rating, Study

BREAK = timedelta(minutes=5)  # a longer gap between two judgements of a person is no work
HOURS = 48  # so many are shown
HOUR = timedelta(hours=1)
LEAST_WORK = 0.05  # hours, before their pace says anything


@dataclass(frozen=True, slots=True)
class Pace:
    """How a study's judgements come in.

    `last_day`: judgements that count, of the latest 24 hours; `per_hour`: for an hour of one person's work; `worked`:
    hours of all people together, checks, repeats, training, skips and late judgements included, and `cost` what they
    cost; `finished_at`: None while it cannot be told.
    """

    last_day: int
    per_hour: float | None
    worked: float
    cost: float
    finished_at: datetime | None


def pace_of(study: Study, missing: int) -> Pace:
    """The study's pace; `missing` judgements are still wanted."""
    mine, now = {"assignment__item__study": study}, timezone.now()
    counted = Rating.objects.counted().filter(**mine)
    in_a_day = Count("pk", filter=Q(created_at__gt=now - timedelta(days=1)))
    count, last_day = counted.aggregate(count=Count("pk"), last_day=in_a_day).values()
    worked = time_spent(Rating.objects.work().filter(**mine)) / HOUR
    return Pace(
        last_day=last_day,
        per_hour=count / worked if worked >= LEAST_WORK else None,
        worked=worked,
        cost=worked * study.rules.hourly_pay,
        finished_at=now + missing * _span(study, now) / last_day if missing and last_day else None,
    )


def _span(study: Study, now: datetime) -> timedelta:
    """Over how long `last_day` came in: a day, nights included, or since the study opened, at least an hour."""
    return min(timedelta(days=1), max(HOUR, now - study.opened_at)) if study.opened_at else timedelta(days=1)


def time_spent(ratings: QuerySet[Rating]) -> timedelta:
    """What these judgements took; one counts at most BREAK, because people leave items open."""
    spent = ratings.aggregate(spent=Sum(Least(F("seconds"), BREAK.total_seconds())))["spent"]
    return timedelta(seconds=spent or 0)


def by_hour(study: Study, now: datetime | None = None) -> list[tuple[datetime, int]]:
    """(start of the hour, judgements that count) of the latest HOURS up to this one, from the first with any."""
    this_hour = (now or timezone.now()).replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - place * HOUR for place in reversed(range(HOURS))]
    # One count for each: to cut times to hours is Python in SQLite (of 43,000 judgements 1.2 s of it, this 0.5 s).
    within = {f"h{place}": Q(created_at__gte=hour, created_at__lt=hour + HOUR) for place, hour in enumerate(hours)}
    recent = Rating.objects.counted().filter(assignment__item__study=study, created_at__gte=hours[0])
    counted = recent.aggregate(**{name: Count("pk", filter=hour) for name, hour in within.items()})
    return list(dropwhile(lambda found: not found[1], zip(hours, (counted[name] for name in within), strict=True)))


def active_raters(study: Study) -> int:
    """People who hold an item right now."""
    held = Assignment.objects.filter(item__study=study, state=AssignmentState.OPEN, shown_at__isnull=False)
    return held.filter(lease_until__gt=timezone.now()).values("rater").distinct().count()


# --- A picture --------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 480, 60


@dataclass(frozen=True, slots=True)
class Bar:
    """The judgements of one hour in a picture of WIDTH by HEIGHT; `x` from the left, `y` from the top."""

    hour: datetime
    count: int
    x: float
    y: float
    width: float
    height: float


def bars(hours: Sequence[tuple[datetime, int]]) -> list[Bar]:
    """One bar an hour, the latest at the right edge, the busiest as high as the picture."""
    step, most = WIDTH / HOURS, max((count for _, count in hours), default=0)
    left = WIDTH - step * len(hours)
    return [
        Bar(hour, count, left + step * place, HEIGHT * (1 - count / most), 0.8 * step, HEIGHT * count / most)
        for place, (hour, count) in enumerate(hours)
        if most
    ]
