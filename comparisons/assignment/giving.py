"""The item that a person gets next: what they hold, training, a comparison, a check, or an own item again.

This is asked for with every judgement, so what most studies have no use for (training, runs of one's own) is looked up
for all open studies at once, and only then asked about.
"""

from __future__ import annotations

import random
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from alignapp.accounts.models import User
from alignapp.pipelines import pipelined
from comparisons.checks import outcomes
from comparisons.design import REPEAT_DISTANCE
from comparisons.models import (
    Answer,
    Assignment,
    AssignmentState,
    Contender,
    Item,
    ItemKind,
    RaterPool,
    Rating,
    Study,
    StudyKind,
    StudyState,
)
from training.models import Policy, Run

from .leases import expire_leases, held_by, lease, lock

TEXTS = ("item__study", "item__prompt", "item__first", "item__second")
CHECKS = (ItemKind.GOLD, ItemKind.ATTENTION)
_chance = random.SystemRandom()


class _Open(NamedTuple):
    """An open study, as one rater sees it."""

    study: int
    holds: bool  # a running lease
    trains: bool
    launched: bool  # a run whose answers are compared


class _Drawn(NamedTuple):
    """An item to give, for the first time, again after a lapsed lease, or as a repeat of an earlier assignment."""

    item: int
    first: int | None  # the contenders of its answers
    second: int | None
    lapsed: int | None = None
    repeats: Assignment | None = None
    trains: bool = False


def next_assignment(rater: User) -> Assignment | None:
    """The item this person should judge now, with its texts: what they hold already, else a free place, or None."""
    studies = _open_studies(rater)
    if any(study.holds for study in studies) and (held := held_by(rater).select_related(*TEXTS).first()):
        if held.shown_at is None:
            show(held)
        return held
    expire_leases()
    return _lease_in(studies, rater, timezone.now())


def fetch_ahead(rater: User, current: Assignment) -> Assignment | None:
    """The item that will come after `current`, leased but not shown yet; None when there is none.

    Also None around training, whose feedback decides what comes next.
    """
    if current.item.kind == ItemKind.TRAINING:
        return None
    studies = _open_studies(rater, current)
    others = held_by(rater).exclude(pk=current.pk).select_related(*TEXTS)
    if any(study.holds for study in studies) and (held := others.first()):
        return None if held.item.kind == ItemKind.TRAINING else held
    return _lease_in(studies, rater, None)


def show(assignment: Assignment) -> None:
    """The rater sees the item from now on."""
    assignment.shown_at = timezone.now()
    Assignment.objects.filter(pk=assignment.pk).update(shown_at=assignment.shown_at)


def hide(assignment: Assignment) -> None:
    """Something else is shown first: the item's time has not begun."""
    assignment.shown_at = None
    Assignment.objects.filter(pk=assignment.pk, state=AssignmentState.OPEN).update(shown_at=None)


def studies_with_work(rater: User) -> list[Study]:
    """Open studies with an item this person could judge or holds, the longest open first."""
    holding = set(held_by(rater).values_list("item__study", flat=True))
    studies = Study.objects.open_to(rater).order_by("opened_at", "id")
    return [study for study in studies if study.pk in holding or _has_work(study, rater)]


def _has_work(study: Study, rater: User) -> bool:
    return free_items(study, rater).exists() and is_admitted(study, rater)


# `Study.objects.open_to` and what a draw needs to know of each study. By hand, because the ORM takes longer to write
# this statement than the database to answer it, with every judgement; a test holds the two together.
OPEN = f"""
SELECT s.id,
       EXISTS (SELECT 1 FROM {Assignment._meta.db_table} a JOIN {Item._meta.db_table} i ON i.id = a.item_id
               WHERE a.rater_id = %s AND a.state = 'open' AND a.lease_until > %s AND a.id <> %s
                     AND i.study_id = s.id AND i.quarantine = ''),
       EXISTS (SELECT 1 FROM {Item._meta.db_table} t
               WHERE t.study_id = s.id AND t.kind = 'training' AND t.quarantine = ''),
       EXISTS (SELECT 1 FROM {Contender._meta.db_table} c
               JOIN {Policy._meta.db_table} p ON p.id = c.policy_id JOIN {Run._meta.db_table} r ON r.id = p.run_id
               WHERE c.study_id = s.id AND r.created_by_id = %s)
FROM {Study._meta.db_table} s
WHERE s.state = 'open' AND (
    NOT EXISTS (SELECT 1 FROM {Study.pools.through._meta.db_table} any_pool WHERE any_pool.study_id = s.id)
    OR EXISTS (SELECT 1 FROM {Study.pools.through._meta.db_table} pool
               JOIN {RaterPool.members.through._meta.db_table} member ON member.raterpool_id = pool.raterpool_id
               WHERE pool.study_id = s.id AND member.user_id = %s))
ORDER BY s.opened_at, s.id"""


def _open_studies(rater: User, current: Assignment | None = None) -> list[_Open]:
    """Every study open to this person, the longest open first; leases other than `current`."""
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(OPEN, [rater.pk, now, current.pk if current else 0, rater.pk, rater.pk])
        return [_Open(study, bool(holds), bool(trains), bool(launched)) for study, holds, trains, launched in cursor]


def launched_by(rater: User) -> QuerySet[Contender]:
    """Contenders that come from runs of this person."""
    return Contender.objects.filter(policy__run__created_by=rater)


def free_items(study: Study, rater: User) -> QuerySet[Item]:
    """Comparisons with a free place that this person may get, fewest taken places first, then in the study's order."""
    items = study.items.comparisons().filter(~_seen_by(rater), held__lt=study.ratings_per_item)
    if not study.rules.own_runs:
        # Asked beforehand, because joining answers to runs makes every request slower.
        own = list(launched_by(rater).filter(study=study).values_list("pk", flat=True))
        items = items.exclude(Q(first__contender__in=own) | Q(second__contender__in=own)) if own else items
    return items.order_by("held", "position")


# `free_items` of somebody who launched none of the runs, with the lapsed lease of the first of them. By hand for the
# same reason as OPEN, and held to it by a test.
FIRST_FREE = f"""
SELECT i.id, one.contender_id, other.contender_id, (
    SELECT MIN(l.id) FROM {Assignment._meta.db_table} l
    WHERE l.item_id = i.id AND l.rater_id = %s AND l.state = 'expired' AND l.repeats_id IS NULL)
FROM {Item._meta.db_table} i
JOIN {Answer._meta.db_table} one ON one.id = i.first_id JOIN {Answer._meta.db_table} other ON other.id = i.second_id
WHERE i.study_id = %s AND i.kind = 'comparison' AND i.quarantine = '' AND i.held < (
    SELECT s.ratings_per_item FROM {Study._meta.db_table} s WHERE s.id = %s) AND NOT EXISTS (
    SELECT 1 FROM {Assignment._meta.db_table} a WHERE a.item_id = i.id AND a.rater_id = %s AND a.state <> 'expired')
ORDER BY i.held, i.position LIMIT 1"""


def _locked_with_first_free(study_id: int, rater: User) -> tuple[Study, _Drawn | None]:
    """The study, locked, and the first of its free items, as if this person had launched none of its runs."""
    with pipelined(), connection.cursor() as cursor:
        lock(study_id, lasting=False)
        cursor.execute(FIRST_FREE, [rater.pk, study_id, study_id, rater.pk])
        study = Study.objects.get(pk=study_id)
        found = cursor.fetchone()
    return study, _Drawn(*found) if found else None


def _seen_by(rater: User) -> Exists:
    return Exists(Assignment.objects.filter(item=OuterRef("pk"), rater=rater).exclude(state=AssignmentState.EXPIRED))


def is_admitted(study: Study, rater: User) -> bool:
    """Whether training leaves the way to live items open: some of it is still to be judged, or enough was right."""
    unfinished = AssignmentState.OPEN, AssignmentState.EXPIRED
    over = Assignment.objects.filter(item=OuterRef("pk"), rater=rater).exclude(state__in=unfinished)
    return _training(study).filter(~Exists(over)).exists() or has_passed(study, rater)


def has_passed(study: Study, rater: User) -> bool:
    """Whether this person judged enough of the training items rightly; one that they did not judge is not right."""
    wanted, items = study.rules.training_share_right, _training(study).count()
    if not wanted or not items:
        return True
    return sum(is_right for _, is_right in outcomes(study, ItemKind.TRAINING, rater=rater)) / items >= wanted


def _training(study: Study) -> QuerySet[Item]:
    return study.items.filter(kind=ItemKind.TRAINING, quarantine="")


def _training_left(study: Study, rater: User) -> QuerySet[Item]:
    return _training(study).filter(~_seen_by(rater)).order_by("position")


def _lease_in(studies: list[_Open], rater: User, shown_at: datetime | None) -> Assignment | None:
    """A place in the first of the studies that has one; `shown_at` is None where it is fetched ahead."""
    for study in studies:
        with transaction.atomic():
            held, free = _locked_with_first_free(study.study, rater)
            drawn = _draw(held, study, rater, free) if held.state == StudyState.OPEN else None
            if drawn and drawn.trains and shown_at is None:
                return None
            if not drawn:
                continue
            pair = drawn.first, drawn.second
            given = lease(drawn.item, rater, pair, repeats=drawn.repeats, lapsed=drawn.lapsed, shown_at=shown_at)
        # Texts are read when others need not wait for it any more.
        given.item = Item.objects.select_related("prompt", "first", "second").get(pk=drawn.item)
        given.item.study = held
        return given
    return None


def _draw(study: Study, known: _Open, rater: User, free: _Drawn | None) -> _Drawn | None:
    """What this person gets next in the study, `free` unless something comes before it; None when nothing is left."""
    if known.trains and (training := _first(_training_left(study, rater), rater)):
        return training._replace(trains=True)
    if known.launched and not study.rules.own_runs:
        free = _first(free_items(study, rater), rater)
    if free is None or (known.trains and not has_passed(study, rater)):
        return None
    rules, chance = study.rules, _chance.random()
    if chance < rules.check_share:
        checks = study.items.filter(~_seen_by(rater), kind__in=CHECKS, quarantine="").order_by("?")
        return _first(checks, rater) or free
    if chance < rules.check_share + rules.repeat_share and (earlier := _repeatable(study, rater)):
        return _Drawn(earlier.item_id, None, None, repeats=earlier)
    return free


def _first(items: QuerySet[Item], rater: User) -> _Drawn | None:
    """The first of the items, with the lapsed lease that this person had of it."""
    lapsed = Assignment.objects.filter(item=OuterRef("pk"), rater=rater, state=AssignmentState.EXPIRED, repeats=None)
    facts = items.annotate(lapsed=Subquery(lapsed.values("pk")[:1]))
    found = facts.values_list("pk", "first__contender", "second__contender", "lapsed").first()
    return _Drawn(*found) if found else None


def _repeatable(study: Study, rater: User) -> Assignment | None:
    """The longest judged comparison of this person that was not shown again yet and is far enough back."""
    if study.kind == StudyKind.ADVERSARIAL:
        return None
    # By judgements, not by assignments: one whose lease lapsed is judged long after it was given first.
    mine = {"assignment__item__study": study, "assignment__rater": rater}
    said = Rating.objects.standing().filter(**mine).order_by("-id").values_list("id", flat=True)
    since = list(said[REPEAT_DISTANCE - 1 : REPEAT_DISTANCE])
    if not since:
        return None
    judged = Rating.objects.counted().filter(id__lt=since[0], assignment__repeated_by=None, **mine).order_by("id")
    earlier = judged.values_list("assignment", flat=True).first()
    return Assignment.objects.get(pk=earlier) if earlier else None
