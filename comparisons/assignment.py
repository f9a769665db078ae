"""Who judges which item, and which answer stands on the left: leases, sides, judgements, undo.

Everything that gives, returns or fills a place of an item happens under its study's row lock (PostgreSQL) or under
the one write lock (SQLite, IMMEDIATE). So an item never gets more than `ratings_per_item` counted judgements.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from alignapp import environment
from alignapp.accounts.models import User

from .models import HELD, Assignment, AssignmentState, Choice, Item, Rating, Study, StudyState

LEASE = timedelta(minutes=environment.integer("RATING_LEASE_MINUTES", 30, minimum=1))
UNDO_TIME = timedelta(minutes=environment.integer("RATING_UNDO_MINUTES", 10))
READING_SECONDS = environment.integer("RATING_MINIMUM_SECONDS", 0)  # before a judgement is taken; 0: at once
BLOCK = 4  # sides are balanced within every so many items of a rater and a pair of policies
PACE_SAMPLE = 20  # so many latest judgements tell a rater's pace
PACE_LEAST = 5  # with fewer, one interrupted judgement would be the pace
_chance = random.SystemRandom()


class Outcome(StrEnum):
    """What became of something a rater sent."""

    SAVED = "saved"
    REPEATED = "repeated"
    UNDONE = "undone"
    LATE = "late"
    CLOSED = "closed"
    ALREADY_JUDGED = "already_judged"
    OUTDATED = "outdated"
    TOO_EARLY = "too_early"
    NOTHING_TO_UNDO = "nothing_to_undo"

    @property
    def sentence(self) -> str:
        return SENTENCES[self]

    @property
    def is_good(self) -> bool:
        """Whether what was sent stands."""
        return self in {Outcome.SAVED, Outcome.REPEATED, Outcome.UNDONE}


SENTENCES = {
    Outcome.SAVED: "Saved.",
    Outcome.REPEATED: "Saved.",
    Outcome.UNDONE: "Taken back. Judge the item again.",
    Outcome.LATE: "Your time on that item was over and others have judged it. Your judgement is kept but not counted.",
    Outcome.CLOSED: "The task was closed before your judgement came. It is kept but not counted.",
    Outcome.ALREADY_JUDGED: "You had judged that item already; the earlier judgement stands. Undo it to judge again.",
    Outcome.OUTDATED: "That page was out of date. Nothing was changed; here is the item as it stands.",
    Outcome.TOO_EARLY: "Please read both answers first; the choices open in a moment.",
    Outcome.NOTHING_TO_UNDO: "That judgement can no longer be taken back. It stands.",
}


# --- Giving items out -------------------------------------------------------------------------------------------------


def next_assignment(rater: User) -> Assignment | None:
    """The item this person should judge now: what they hold already, else a free place; None when there is none."""
    if held := held_by(rater).order_by("-leased_at").first():
        return held
    expire_leases()
    for study in studies_with_work(rater):
        if assignment := _lease_next(study, rater):
            return assignment
    return None


def held_by(rater: User) -> QuerySet[Assignment]:
    """Leases of this person that are running, in open studies."""
    live = Assignment.objects.filter(rater=rater, state=AssignmentState.OPEN, lease_until__gt=timezone.now())
    return live.filter(item__study__state=StudyState.OPEN, item__quarantine="")


def studies_with_work(rater: User) -> list[Study]:
    """Open studies with an item this person could judge or holds, the longest open first."""
    studies = Study.objects.filter(state=StudyState.OPEN).order_by("opened_at", "id")
    mine = Exists(held_by(rater).filter(item__study=OuterRef("pk")))
    return [study for study in studies.annotate(mine=mine) if study.mine or free_items(study, rater).exists()]


def free_items(study: Study, rater: User) -> QuerySet[Item]:
    """Items with a free place that this person may get, fewest taken places first, then in the study's order."""
    seen = Assignment.objects.filter(item=OuterRef("pk"), rater=rater).exclude(state=AssignmentState.EXPIRED)
    items = study.items.filter(~Exists(seen), quarantine="")
    # Asked beforehand, because few people launched anything and joining answers to runs makes every request slower.
    if launched := list(study.contenders.filter(policy__run__created_by=rater).values_list("pk", flat=True)):
        items = items.exclude(Q(first__contender__in=launched) | Q(second__contender__in=launched))
    taken = Count("assignments", filter=Q(assignments__state__in=HELD))
    return items.annotate(taken=taken).filter(taken__lt=study.ratings_per_item).order_by("taken", "position")


def _lease_next(study: Study, rater: User) -> Assignment | None:
    with transaction.atomic():
        study = _locked(study.pk)
        if study.state != StudyState.OPEN:
            return None
        # Another tab of the same person may have asked at the same moment.
        if held := held_by(rater).filter(item__study=study).first():
            return held
        item = free_items(study, rater).first()
        return _lease(item, rater) if item else None


def _lease(item: Item, rater: User) -> Assignment:
    """Give the item to the rater; who had it before sees the same sides again."""
    now = timezone.now()
    lease = {"state": AssignmentState.OPEN, "leased_at": now, "lease_until": now + LEASE}
    drawn = {"first_is_a": draw_side(item, rater)} | lease
    return Assignment.objects.update_or_create(item=item, rater=rater, defaults=lease, create_defaults=drawn)[0]


def _locked(study_id: int) -> Study:
    # NO KEY: new rows that refer to the study need not wait.
    return Study.objects.select_for_update(no_key=True).get(pk=study_id)


def expire_leases(now: datetime | None = None) -> int:
    """Return the places of leases that are over; returns how many."""
    over = Assignment.objects.filter(state=AssignmentState.OPEN, lease_until__lte=now or timezone.now())
    return sum(_expire(study_id, over) for study_id in set(over.values_list("item__study", flat=True)))


def _expire(study_id: int, over: QuerySet[Assignment]) -> int:
    with transaction.atomic():
        _locked(study_id)
        return over.filter(item__study=study_id).update(state=AssignmentState.EXPIRED)


# --- Sides ------------------------------------------------------------------------------------------------------------


def draw_side(item: Item, rater: User) -> bool:
    """Whether the item's first answer goes on side A: balanced for this rater and this pair of policies."""
    one, other = sorted((item.first.contender_id, item.second.contender_id))
    one_was_a = _sides_so_far(one, other, rater)
    return draw_in_block(one_was_a, _chance) == (item.first.contender_id == one)


def _sides_so_far(one: int, other: int, rater: User) -> list[bool]:
    """For each earlier assignment of the rater on this pair, in order: whether contender `one` stood on side A."""
    as_drawn = Q(item__first__contender=one, item__second__contender=other)
    turned = Q(item__first__contender=other, item__second__contender=one)
    earlier = Assignment.objects.filter(as_drawn | turned, rater=rater).order_by("id")
    rows = earlier.values_list("item__first__contender", "first_is_a")
    return [(first == one) == first_is_a for first, first_is_a in rows]


def draw_in_block(earlier: Sequence[bool], chance: random.Random) -> bool:
    """Draw the next of a sequence in which every whole block of BLOCK holds as many True as False."""
    block = earlier[len(earlier) - len(earlier) % BLOCK :]
    left = BLOCK - len(block)
    true_left = BLOCK // 2 - sum(block)
    return chance.random() * left < true_left


# --- Coming back, judging, undoing ------------------------------------------------------------------------------------


def resume(assignment: Assignment) -> bool:
    """Renew a lease because its page is shown; False when the item can no longer be judged by this person."""
    with transaction.atomic():
        study = _locked(assignment.item.study_id)
        assignment.refresh_from_db()
        if study.state != StudyState.OPEN or assignment.item.quarantine:
            return False
        if assignment.state == AssignmentState.OPEN:
            assignment.lease_until = timezone.now() + LEASE
            assignment.save(update_fields=["lease_until"])
            return True
        if assignment.state != AssignmentState.EXPIRED or not _has_room(study, assignment):
            return False
        _reopen(assignment)
        return True


def _has_room(study: Study, assignment: Assignment) -> bool:
    """Whether a place is free for an assignment that holds none."""
    taken = Assignment.objects.filter(item=assignment.item_id, state__in=HELD).count()
    return taken < study.ratings_per_item


def _reopen(assignment: Assignment) -> None:
    assignment.state = AssignmentState.OPEN
    assignment.leased_at = timezone.now()
    assignment.lease_until = assignment.leased_at + LEASE
    assignment.save(update_fields=["state", "leased_at", "lease_until"])


def submit(
    assignment: Assignment, choice: str, revision: int, *, reasons: Sequence[str] = (), note: str = ""
) -> Outcome:
    """Store a judgement (or a skip) of an assignment by its rater.

    `revision` is the number the judgement will have among those of the assignment; sending the same one again changes
    nothing. A judgement that comes too late is stored too, in a state that results do not count.
    """
    with transaction.atomic():
        study = _locked(assignment.item.study_id)
        assignment.refresh_from_db()
        if refusal := _refusal(assignment, choice, revision):
            return refusal
        seconds = max(0.0, (timezone.now() - assignment.leased_at).total_seconds())
        if seconds < READING_SECONDS and choice != Choice.SKIP:
            return Outcome.TOO_EARLY
        state, outcome = _destination(study, assignment, choice)
        assignment.ratings.create(
            revision=revision,
            choice=choice,
            reasons=list(reasons),
            note=note,
            seconds=seconds,
            supersedes=assignment.ratings.filter(revision=revision - 1).first(),
        )
        assignment.state = state
        assignment.save(update_fields=["state"])
        return outcome


def _refusal(assignment: Assignment, choice: str, revision: int) -> Outcome | None:
    """Why nothing is stored: the same was sent before, or the page is older than what happened since."""
    latest = assignment.ratings.order_by("-revision").first()
    if latest is not None and latest.revision == revision and latest.choice != Choice.WITHDRAWN:
        late = assignment.state == AssignmentState.LATE
        return Outcome.ALREADY_JUDGED if latest.choice != choice else Outcome.LATE if late else Outcome.REPEATED
    # A judgement that stands is taken back first: no page offers to replace it, and undoing has its time.
    stands = latest is not None and latest.choice != Choice.WITHDRAWN
    if stands or revision != next_revision(assignment):
        return Outcome.OUTDATED
    return None


def next_revision(assignment: Assignment) -> int:
    """The number that the next judgement of this assignment gets."""
    return assignment.ratings.count() + 1


def _destination(study: Study, assignment: Assignment, choice: str) -> tuple[AssignmentState, Outcome]:
    """Where a new judgement takes its assignment. A paused study still takes what is on people's screens."""
    if study.state not in {StudyState.OPEN, StudyState.PAUSED}:
        return AssignmentState.LATE, Outcome.CLOSED
    if choice == Choice.SKIP:
        return AssignmentState.SKIPPED, Outcome.SAVED
    if assignment.state == AssignmentState.OPEN or _has_room(study, assignment):
        return AssignmentState.DONE, Outcome.SAVED
    return AssignmentState.LATE, Outcome.LATE


def last_judgement(rater: User) -> Rating | None:
    """The latest judgement or skip that this person may still take back."""
    since = timezone.now() - UNDO_TIME
    states = (AssignmentState.DONE, AssignmentState.SKIPPED)
    mine = Rating.objects.standing().filter(
        assignment__rater=rater, assignment__state__in=states, created_at__gte=since
    )
    return mine.filter(assignment__item__study__state=StudyState.OPEN).order_by("-created_at", "-id").first()


def undo(assignment: Assignment, revision: int) -> Outcome:
    """Take the judgement with this number back: a withdrawal supersedes it and its item is open again."""
    with transaction.atomic():
        study = _locked(assignment.item.study_id)
        assignment.refresh_from_db()
        if assignment.ratings.filter(revision=revision + 1, choice=Choice.WITHDRAWN).exists():
            return Outcome.UNDONE
        rating = last_judgement(assignment.rater)
        if rating is None or (rating.assignment_id, rating.revision) != (assignment.pk, revision):
            return Outcome.NOTHING_TO_UNDO
        if assignment.state == AssignmentState.SKIPPED and not _has_room(study, assignment):
            return Outcome.NOTHING_TO_UNDO
        assignment.ratings.create(revision=revision + 1, choice=Choice.WITHDRAWN, supersedes=rating, seconds=0.0)
        _reopen(assignment)
        return Outcome.UNDONE


# --- Progress ---------------------------------------------------------------------------------------------------------


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
    """What this person judged or skipped, and what still waits for them."""
    mine = Assignment.objects.filter(item__study=study, rater=rater)
    judged = mine.filter(state__in=[AssignmentState.DONE, AssignmentState.SKIPPED, AssignmentState.LATE]).count()
    waiting = free_items(study, rater).count() + held_by(rater).filter(item__study=study).count()
    return Progress(judged, waiting, _pace(rater))


def _pace(rater: User) -> float | None:
    """Median seconds of the person's latest judgements; None while they are too few to tell."""
    mine = Rating.objects.counted().filter(assignment__rater=rater).order_by("-id")
    seconds = mine.values_list("seconds", flat=True)[:PACE_SAMPLE]
    return median(seconds) if len(seconds) >= PACE_LEAST else None
