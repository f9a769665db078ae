"""Places of items: given to one person for a while, and returned when they do not come back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from alignapp import environment
from alignapp.accounts.models import User
from alignapp.pipelines import pipelined
from comparisons.models import HELD, Assignment, AssignmentState, Item, Study, StudyState

from .sides import draw_side

LEASE = timedelta(minutes=environment.integer("RATING_LEASE_MINUTES", 30, minimum=1))


def locked(study_id: int, *, judging: bool = False) -> Study:
    """The study as it is once `lock` has it."""
    with pipelined():
        lock(study_id, judging=judging)
        return Study.objects.get(pk=study_id)


def lock(study_id: int, *, judging: bool = False, lasting: bool = True) -> None:
    """Lock the study's row until the transaction ends: nobody's place changes meanwhile.

    With `judging` nobody's judgement comes meanwhile either. Not `lasting`: see `need_not_last`.
    """
    # NO KEY: judgements of running leases (`stand_still`) and new rows that refer to the study need not wait.
    how = "FOR UPDATE" if judging else "FOR NO KEY UPDATE"
    more = "" if lasting else need_not_last(", ")
    _lock(f"SELECT id{more} FROM {Study._meta.db_table} WHERE id = %s {how}", study_id)


def _lock(statement: str, key: int) -> None:
    if connection.features.has_select_for_update:  # SQLite's transactions hold the only write lock anyway
        with connection.cursor() as cursor:
            cursor.execute(statement, [key])


def need_not_last(before: str) -> str:
    """SQL of a column that lets its transaction end before the disk has it, so that others wait less for its locks.

    A crash of PostgreSQL may take what leases became in its last moment. Nobody has judged those: a judgement waits
    for the disk, and what was written before it is there by then. SQLite's log waits for no disk (settings.py).
    """
    return f"{before}set_config('synchronous_commit', 'off', true)" if connection.vendor == "postgresql" else ""


STAND_STILL = f"""
SELECT a.id FROM {Assignment._meta.db_table} a
JOIN {Item._meta.db_table} i ON i.id = a.item_id JOIN {Study._meta.db_table} s ON s.id = i.study_id WHERE a.id = %s
FOR NO KEY UPDATE OF a FOR KEY SHARE OF s"""


def stand_still(assignment: Assignment) -> None:
    """Lock the assignment, and keep its study from closing, until the transaction ends.

    Others get places and judge meanwhile: each judgement of a running lease keeps the place that it has.
    """
    _lock(STAND_STILL, assignment.pk)


def held_by(rater: User) -> QuerySet[Assignment]:
    """Running leases of this person in open studies; what they look at comes before what was fetched ahead."""
    live = Assignment.objects.filter(rater=rater, state=AssignmentState.OPEN, lease_until__gt=timezone.now())
    live = live.filter(item__study__state=StudyState.OPEN, item__quarantine="")
    return live.order_by(F("shown_at").desc(nulls_last=True), "leased_at")


def lease(
    item: int,
    rater: User,
    pair: tuple[int | None, int | None],
    *,
    repeats: Assignment | None = None,
    lapsed: int | None = None,
    shown_at: datetime | None = None,
) -> Assignment:
    """Give the item to the rater, as a repeat of an earlier assignment with the sides swapped, or for the first time.

    `pair` holds the contenders of its two answers. Who had it before (`lapsed` is that assignment) sees the same sides
    again.
    """
    now = timezone.now()
    given = {"state": AssignmentState.OPEN, "leased_at": now, "lease_until": now + LEASE, "shown_at": shown_at}
    if lapsed:
        with pipelined():
            Assignment.objects.filter(pk=lapsed).update(**given)
            count_places([item])
            return Assignment.objects.get(pk=lapsed)
    side = draw_side(pair, rater) if repeats is None else not repeats.first_is_a
    with pipelined():
        count_places([item], coming=1 if repeats is None else 0)
        assignment = Assignment.objects.create(item_id=item, rater=rater, first_is_a=side, repeats=repeats, **given)
    assignment.is_new = True
    return assignment


def reopen(assignment: Assignment) -> None:
    """Start the lease of an assignment anew, because its page is shown."""
    assignment.state = AssignmentState.OPEN
    assignment.leased_at = assignment.shown_at = timezone.now()
    assignment.lease_until = assignment.leased_at + LEASE
    assignment.save(update_fields=["state", "leased_at", "shown_at", "lease_until"])
    count_places([assignment.item_id])


def has_room(study: Study, assignment: Assignment) -> bool:
    """Whether a place is free for an assignment that holds none; checks and repeats take no place."""
    if assignment.repeats_id or not assignment.item.takes_places:
        return True
    taken = Assignment.objects.filter(item=assignment.item_id, state__in=HELD, repeats=None).count()
    return taken < study.ratings_per_item


def expire_leases(now: datetime | None = None) -> int:
    """Return the places of leases that are over; returns how many."""
    over = Assignment.objects.filter(state=AssignmentState.OPEN, lease_until__lte=now or timezone.now())
    return sum(_expire(study_id, over) for study_id in set(over.values_list("item__study", flat=True)))


def _expire(study_id: int, over: QuerySet[Assignment]) -> int:
    with transaction.atomic():
        locked(study_id)
        theirs = dict(over.filter(item__study=study_id).values_list("pk", "item"))
        # No join in the statement: PostgreSQL then looks again at a lease that was renewed while it waited for the row.
        expired = over.filter(pk__in=theirs).update(state=AssignmentState.EXPIRED)
        count_places(set(theirs.values()))
        return expired


COUNT = f"""
UPDATE {Item._meta.db_table} SET held = %s + (
    SELECT COUNT(*) FROM {Assignment._meta.db_table} a
    WHERE a.item_id = %s AND a.state IN ({", ".join(f"'{state}'" for state in HELD)}) AND a.repeats_id IS NULL)
WHERE id = %s"""


def count_places(items: Collection[int], *, coming: int = 0) -> None:
    """Bring the count of taken places of these items up to date, with those that the transaction is about to add.

    The caller holds the study's lock.
    """
    with pipelined(), connection.cursor() as cursor:
        for item in items:
            cursor.execute(COUNT, [coming, item, item])
