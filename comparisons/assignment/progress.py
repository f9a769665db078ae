"""How far a person is in a study, without telling which of their items were checks."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from statistics import median

from django.db import connection

from alignapp.accounts.models import User
from alignapp.pipelines import pipelined
from comparisons.models import Assignment, Item, Rating, Study

from .giving import free_items

PACE_SAMPLE = 20  # so many latest items tell a rater's pace
PACE_LEAST = 5  # with fewer, one interrupted judgement would be the pace
# Asked with every judgement, so in one statement and by hand: how many assignments of a rater in a study are over, how
# many of those and of the running ones are comparisons, how many seen items still have a free place, how many have, and
# how many checks there are.
OVER = "a.state IN ('done', 'skipped', 'late')"
COMPARISON = "i.kind = 'comparison' AND a.repeats_id IS NULL"


def _checks(kind: str) -> str:
    # Each kind apart, because PostgreSQL then reads what the index has of it, instead of every item of the study.
    return f"""(SELECT COUNT(*) FROM {Item._meta.db_table} c
        WHERE c.study_id = %s AND c.kind = '{kind}' AND c.quarantine = '')"""


# MATERIALIZED: PostgreSQL takes a young study for a small one, and would go through its items instead.
COUNTS = f"""
WITH a AS MATERIALIZED (SELECT * FROM {Assignment._meta.db_table} WHERE rater_id = %s)
SELECT COUNT(*) FILTER (WHERE {OVER}),
       COUNT(*) FILTER (WHERE {OVER} AND {COMPARISON}),
       COUNT(*) FILTER (WHERE a.state = 'open' AND i.quarantine = '' AND {COMPARISON}),
       COUNT(*) FILTER (WHERE a.state <> 'expired' AND i.quarantine = '' AND i.held < %s AND {COMPARISON}),
       (SELECT COUNT(*) FROM {Item._meta.db_table} f
        WHERE f.study_id = %s AND f.kind = 'comparison' AND f.quarantine = '' AND f.held < %s),
       {_checks("gold")} + {_checks("attention")}
FROM a JOIN {Item._meta.db_table} i ON i.id = a.item_id WHERE i.study_id = %s AND i.kind <> 'training'"""
# Of the latest items instead of the latest judgements, so that few rows are looked at however much the rater has done.
SECONDS = f"""
SELECT r.seconds FROM {Rating._meta.db_table} r JOIN (
    SELECT id FROM {Assignment._meta.db_table}
    WHERE rater_id = %s AND state = 'done' ORDER BY id DESC LIMIT {PACE_SAMPLE}
) a ON a.id = r.assignment_id
WHERE r.choice <> 'withdrawn' AND NOT EXISTS (SELECT 1 FROM {Rating._meta.db_table} s WHERE s.supersedes_id = r.id)"""


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
        """Whole minutes, at least one; None when the pace is not known or nothing waits."""
        if self.seconds_per_item is None or not self.waiting:
            return None
        return max(1, round(self.waiting * self.seconds_per_item / 60))

    def __str__(self) -> str:
        left = self.minutes_left
        return f"{self.judged} of {self.total}" + (f" · about {left} min left" if left else "")


def progress(study: Study, rater: User) -> Progress:
    """What this person judged or skipped, and what still waits for them.

    The total counts the checks and repeats to be expected, as far as there are any, and does not move when one comes: a
    total that grows by one would tell a check from a comparison. When no comparison is left nothing more comes.
    """
    places = study.ratings_per_item
    with pipelined(), connection.cursor() as paces, connection.cursor() as counts:
        paces.execute(SECONDS, [rater.pk])
        counts.execute(COUNTS, [rater.pk, places, study.pk, places, *[study.pk] * 3])
        judged, comparisons, running, seen, with_room, checks = counts.fetchone()
        pace = _pace([seconds for (seconds,) in paces.fetchall()])
    # Who may have launched what is compared gets less than what has room.
    free = running + (free_items(study, rater).count() if rater.is_researcher else with_room - seen)
    total = ceil(comparisons + free + study.rules.extras(comparisons + free, checks))
    return Progress(judged, max(total - judged, 1) if free else 0, pace)


def _pace(seconds: list[float]) -> float | None:
    """Median seconds of the person's latest judgements; None while they are too few to tell."""
    return median(seconds) if len(seconds) >= PACE_LEAST else None
