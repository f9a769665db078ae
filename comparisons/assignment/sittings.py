"""How long a person has worked without a break, by the times of their judgements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from django.utils import timezone

from alignapp.accounts.models import User
from comparisons.design import Design
from comparisons.models import Rating
from comparisons.pace import BREAK


@dataclass(frozen=True, slots=True)
class Rest:
    """A break that is due: work since `since`, and `until` when it has lasted long enough."""

    since: datetime
    until: datetime

    @property
    def minutes_worked(self) -> int:
        return round((self.until - BREAK - self.since).total_seconds() / 60)

    @property
    def seconds_left(self) -> int:
        return max(0, ceil((self.until - timezone.now()).total_seconds()))

    @property
    def minutes_left(self) -> int:
        return ceil(self.seconds_left / 60)


def rest_due(rater: User, rules: Design, rested_at: datetime | None = None) -> Rest | None:
    """The break that this person should make now, if they worked as long as the study lets them.

    `rested_at` is when they last said that they go on without one; it counts where the design allows that.
    """
    if not rules.sitting_minutes:
        return None
    now, most = timezone.now(), timedelta(minutes=rules.sitting_minutes)
    earliest = now - most - 2 * BREAK
    if rested_at and rules.break_optional:
        earliest = max(earliest, rested_at)
    own = Rating.objects.filter(assignment__rater=rater, created_at__gt=earliest).order_by("-created_at")
    since = last = None
    for at, seconds in own.values_list("created_at", "seconds"):
        if (since or now) - at > BREAK:
            break
        last = last or at
        since = at - min(timedelta(seconds=seconds), BREAK)
    return Rest(since, last + BREAK) if since and last and now - since >= most else None
