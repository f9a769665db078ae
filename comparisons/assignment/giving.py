"""The item that a person gets next: what they hold, training, a comparison, a check, or an own item again."""

from __future__ import annotations

import random

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from alignapp.accounts.models import User
from comparisons.checks import share_right
from comparisons.models import Assignment, AssignmentState, Item, ItemKind, Study, StudyKind, StudyState

from .leases import expire_leases, held_by, lease, locked

REPEAT_DISTANCE = 10  # an item comes again after at least so many others
CHECKS = (ItemKind.GOLD, ItemKind.ATTENTION)
_chance = random.SystemRandom()


def next_assignment(rater: User) -> Assignment | None:
    """The item this person should judge now: what they hold already, else a free place; None when there is none."""
    assignment = held_by(rater).first() or _lease_anywhere(rater)
    if assignment and assignment.shown_at is None:
        show(assignment)
    return assignment


def fetch_ahead(rater: User, current: Assignment) -> Assignment | None:
    """The item that will come after `current`, leased but not shown yet; None when there is none."""
    held = held_by(rater).exclude(pk=current.pk).first()
    return held or _lease_anywhere(rater, current)


def show(assignment: Assignment) -> None:
    """The rater sees the item from now on."""
    assignment.shown_at = timezone.now()
    Assignment.objects.filter(pk=assignment.pk).update(shown_at=assignment.shown_at)


def studies_with_work(rater: User) -> list[Study]:
    """Open studies with an item this person could judge or holds, the longest open first."""
    holding = set(held_by(rater).values_list("item__study", flat=True))
    studies = Study.objects.open_to(rater).order_by("opened_at", "id")
    return [study for study in studies if study.pk in holding or _has_work(study, rater)]


def _has_work(study: Study, rater: User) -> bool:
    return free_items(study, rater).exists() and is_admitted(study, rater)


def free_items(study: Study, rater: User) -> QuerySet[Item]:
    """Comparisons with a free place that this person may get, fewest taken places first, then in the study's order."""
    items = study.items.comparisons().filter(~_seen_by(rater), held__lt=study.ratings_per_item)
    # Asked beforehand, because few people launched anything and joining answers to runs makes every request slower.
    launched = (
        []
        if study.rules.own_runs
        else list(study.contenders.filter(policy__run__created_by=rater).values_list("pk", flat=True))
    )
    if launched:
        items = items.exclude(Q(first__contender__in=launched) | Q(second__contender__in=launched))
    return items.order_by("held", "position")


def _seen_by(rater: User) -> Exists:
    return Exists(Assignment.objects.filter(item=OuterRef("pk"), rater=rater).exclude(state=AssignmentState.EXPIRED))


def is_admitted(study: Study, rater: User) -> bool:
    """Whether the training items judged so far leave the way to live items open."""
    wanted = study.rules.training_share_right
    if not wanted or _training_left(study, rater).exists():
        return True
    right = share_right(study, rater, ItemKind.TRAINING)
    return right is None or right >= wanted


def _training_left(study: Study, rater: User) -> QuerySet[Item]:
    return study.items.filter(~_seen_by(rater), kind=ItemKind.TRAINING, quarantine="").order_by("position")


def _lease_anywhere(rater: User, current: Assignment | None = None) -> Assignment | None:
    expire_leases()
    for study in Study.objects.open_to(rater).order_by("opened_at", "id"):
        if assignment := _lease_next(study, rater, current):
            return assignment
    return None


def _lease_next(study: Study, rater: User, current: Assignment | None) -> Assignment | None:
    with transaction.atomic():
        study = locked(study.pk)
        if study.state != StudyState.OPEN:
            return None
        # Another tab of the same person may have asked at the same moment.
        held = held_by(rater).filter(item__study=study)
        if known := (held.exclude(pk=current.pk) if current else held).first():
            return known
        drawn = draw_item(study, rater)
        return lease(drawn[0], rater, drawn[1]) if drawn else None


def draw_item(study: Study, rater: User) -> tuple[Item, Assignment | None] | None:
    """What this person gets next and, for a repeat, which assignment it repeats; None when nothing is left."""
    if training := _training_left(study, rater).first():
        return training, None
    free = free_items(study, rater).first()
    if free is None or not is_admitted(study, rater):
        return None
    rules, chance = study.rules, _chance.random()
    if chance < rules.check_share:
        if check := study.items.filter(~_seen_by(rater), kind__in=CHECKS, quarantine="").order_by("?").first():
            return check, None
    elif chance < rules.check_share + rules.repeat_share and (earlier := _repeatable(study, rater)):
        return earlier.item, earlier
    return free, None


def _repeatable(study: Study, rater: User) -> Assignment | None:
    """The longest judged comparison of this person that was not shown again yet and is far enough back."""
    mine = Assignment.objects.filter(item__study=study, rater=rater).order_by("-id")
    since = list(mine.values_list("id", flat=True)[REPEAT_DISTANCE - 1 : REPEAT_DISTANCE])
    if not since or study.kind == StudyKind.ADVERSARIAL:
        return None
    judged = mine.judged_comparisons().filter(id__lt=since[0], repeated_by=None, item__quarantine="")
    return judged.select_related("item").order_by("id").first()
