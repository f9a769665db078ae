"""Coming back to an item, judging it, skipping it, taking a judgement back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from alignapp import environment
from alignapp.accounts.models import User
from alignapp.pipelines import pipelined
from comparisons.models import (
    HELD,
    Assignment,
    AssignmentState,
    Choice,
    Guideline,
    GuidelineReading,
    Item,
    ItemKind,
    Rating,
    Study,
    StudyState,
)

from .leases import LEASE, count_places, has_room, held_by, lock, locked, need_not_last, reopen, stand_still

UNDO_TIME = timedelta(minutes=environment.integer("RATING_UNDO_MINUTES", 10))
READING_SECONDS = environment.integer("RATING_MINIMUM_SECONDS", 0)  # of every study; a study's design may ask for more
MOST_PER_MINUTE = environment.integer("RATING_MOST_PER_MINUTE", 60)  # judgements and skips of one person; 0: no limit


class Outcome(StrEnum):
    """What became of something a rater sent."""

    SAVED = "saved"
    SKIPPED = "skipped"
    REPEATED = "repeated"
    UNDONE = "undone"
    LATE = "late"
    CLOSED = "closed"
    ALREADY_JUDGED = "already_judged"
    OUTDATED = "outdated"
    TOO_EARLY = "too_early"
    TOO_FAST = "too_fast"
    SKIPPED_TOO_FAST = "skipped_too_fast"
    TRAINING_SKIPPED = "training_skipped"
    NOTHING_TO_UNDO = "nothing_to_undo"

    @property
    def sentence(self) -> str:
        return SENTENCES[self]

    @property
    def is_good(self) -> bool:
        """Whether what was sent stands."""
        return self in {Outcome.SAVED, Outcome.SKIPPED, Outcome.REPEATED, Outcome.UNDONE}

    @property
    def keeps_the_item(self) -> bool:
        """Whether the same item is to be looked at again."""
        return self in KEEPS_THE_ITEM


SENTENCES = {
    Outcome.SAVED: "Saved.",
    Outcome.SKIPPED: "Skipped. Somebody else gets that item.",
    Outcome.REPEATED: "Saved.",
    Outcome.UNDONE: "Taken back. Judge the item again.",
    Outcome.LATE: "Your time on that item was over and others have judged it. Your judgement is kept but not counted.",
    Outcome.CLOSED: "The task was closed before your judgement came. It is kept but not counted.",
    Outcome.ALREADY_JUDGED: "You had judged that item already; the earlier judgement stands. Undo it to judge again.",
    Outcome.OUTDATED: "That page was out of date. Nothing was changed; here is the item as it stands.",
    Outcome.TOO_EARLY: "Please read both answers first; the choices open in a moment.",
    Outcome.TOO_FAST: "That was faster than answers can be read. Nothing was saved; wait a moment and judge again.",
    Outcome.SKIPPED_TOO_FAST: "You went through many items within a minute. Nothing was skipped; wait a moment and try "
    "again.",
    Outcome.TRAINING_SKIPPED: "Training cannot be skipped. Judge as well as you can; then you see what was expected.",
    Outcome.NOTHING_TO_UNDO: "That judgement can no longer be taken back. It stands.",
}

KEEPS_THE_ITEM = {
    Outcome.TOO_EARLY,
    Outcome.TOO_FAST,
    Outcome.SKIPPED_TOO_FAST,
    Outcome.TRAINING_SKIPPED,
    Outcome.OUTDATED,
}


def resume(assignment: Assignment) -> bool:
    """Renew a lease because its page is shown; False when the item can no longer be judged by this person."""
    return _renew(assignment) or _take_again(assignment)


RENEW = f"""
UPDATE {Assignment._meta.db_table} SET lease_until = %s, shown_at = COALESCE(shown_at, %s)
WHERE id = %s AND state = 'open' AND EXISTS (
    SELECT 1 FROM {Item._meta.db_table} i JOIN {Study._meta.db_table} s ON s.id = i.study_id
    WHERE i.id = item_id AND i.quarantine = '' AND s.state = 'open')"""


def _renew(assignment: Assignment) -> bool:
    """Renew a running lease, in one statement: nobody's place changes, so it waits for no lock."""
    now = timezone.now()
    times = map(connection.ops.adapt_datetimefield_value, (now + LEASE, now))
    with connection.cursor() as cursor:
        cursor.execute(RENEW + need_not_last(" RETURNING "), [*times, assignment.pk])
        if not cursor.rowcount:
            return False
    assignment.state, assignment.lease_until = AssignmentState.OPEN, now + LEASE
    assignment.shown_at = assignment.shown_at or now
    return True


def _take_again(assignment: Assignment) -> bool:
    """Take the place of a lapsed lease again, if it is free."""
    with transaction.atomic():
        study = locked(assignment.item.study_id)
        assignment.refresh_from_db(fields=["state"])
        if study.state != StudyState.OPEN or assignment.item.quarantine:
            return False
        if assignment.state != AssignmentState.EXPIRED or not has_room(study, assignment):
            return False
        reopen(assignment)
        return True


def submit(
    assignment: Assignment,
    choice: str,
    revision: int,
    *,
    reasons: Sequence[str] = (),
    note: str = "",
    strength: int = 0,
    reading: Mapping[str, Any] | None = None,
) -> Outcome:
    """Store a judgement (or a skip) of an assignment by its rater.

    `revision` is the number the judgement will have among those of the assignment; sending the same one again changes
    nothing. A judgement that comes too late is stored too, in a state that results do not count.
    """
    said = {"choice": choice, "strength": strength, "reasons": list(reasons), "note": note}
    if assignment.state == AssignmentState.OPEN and choice != Choice.SKIP:
        with transaction.atomic():
            with pipelined():
                stand_still(assignment)
                known = _known(assignment)
            if assignment.state == AssignmentState.OPEN:  # still: its lease was not taken back while this waited
                return _store(assignment, known, said, revision, reading)
    with transaction.atomic():
        with pipelined():
            lock(assignment.item.study_id)
            known = _known(assignment)
        return _store(assignment, known, said, revision, reading)


def _store(
    assignment: Assignment,
    known: _Known,
    said: dict[str, Any],
    revision: int,
    reading: Mapping[str, Any] | None,
) -> Outcome:
    """Store what was said, or refuse it; the caller holds the locks."""
    study, now, choice = assignment.item.study, timezone.now(), said["choice"]
    refusal = _refusal(assignment, known, said, revision) or _haste(study, assignment, known, choice, now)
    if refusal:
        return refusal
    state, outcome = _destination(study, assignment, choice)
    guideline = known.guideline or getattr(study.current_guideline, "pk", None)
    seconds = _seconds(assignment, now)
    with pipelined():
        _move(assignment, state)
        Rating.objects.create(
            assignment=assignment,
            revision=revision,
            **said,
            guideline_id=guideline,
            seconds=seconds,
            reading=dict(reading or {}),
            supersedes_id=known.latest,
        )
    assignment.is_new = False
    return outcome


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says of an assignment under its lock: its latest judgement, and what its rater read and did."""

    latest: int | None
    revision: int
    choice: str
    guideline: int | None
    recent: int  # judgements and skips of the last minute


# Asked with every judgement, so by hand: how the study stands, the assignment's latest judgement, the latest guideline
# that was read, and how much was sent of late.
KNOWN = f"""
SELECT s.state, s.ratings_per_item, r.id, r.revision, r.choice, (
    SELECT g.id FROM {GuidelineReading._meta.db_table} d JOIN {Guideline._meta.db_table} g ON g.id = d.guideline_id
    WHERE d.rater_id = a.rater_id AND g.study_id = s.id ORDER BY g.number DESC LIMIT 1), (
    SELECT COUNT(*) FROM {Rating._meta.db_table} q JOIN {Assignment._meta.db_table} b ON b.id = q.assignment_id
    WHERE b.rater_id = a.rater_id AND q.created_at > %s AND q.choice <> 'withdrawn')
FROM {Assignment._meta.db_table} a JOIN {Item._meta.db_table} i ON i.id = a.item_id
JOIN {Study._meta.db_table} s ON s.id = i.study_id LEFT JOIN {Rating._meta.db_table} r ON r.assignment_id = a.id
WHERE a.id = %s ORDER BY r.revision DESC LIMIT 1"""


def _known(assignment: Assignment) -> _Known:
    """Bring the assignment and its study up to date, with what was said of it before."""
    since = connection.ops.adapt_datetimefield_value(timezone.now() - timedelta(minutes=1))
    study, fields = assignment.item.study, ("state", "shown_at", "leased_at")
    with pipelined(), connection.cursor() as cursor:
        cursor.execute(KNOWN, [since, assignment.pk])
        current = Assignment.objects.values_list(*fields).get(pk=assignment.pk)
        study.state, study.ratings_per_item, latest, revision, choice, guideline, recent = cursor.fetchone()
    assignment.state, assignment.shown_at, assignment.leased_at = current
    return _Known(latest, revision or 0, choice or "", guideline, recent)


def _refusal(assignment: Assignment, known: _Known, said: Mapping[str, Any], revision: int) -> Outcome | None:
    """Why nothing is stored: the same was sent before, or the page is older than what happened since."""
    # A judgement that stands is taken back first: no page offers to replace it, and undoing has its time.
    stands = known.latest is not None and known.choice != Choice.WITHDRAWN
    if stands and known.revision == revision:
        if not assignment.ratings.filter(revision=revision, **said).exists():
            return Outcome.ALREADY_JUDGED
        return Outcome.LATE if assignment.state == AssignmentState.LATE else Outcome.REPEATED
    return Outcome.OUTDATED if stands or revision != known.revision + 1 else None


def _haste(study: Study, assignment: Assignment, known: _Known, choice: str, now: datetime) -> Outcome | None:
    """Why it cannot come yet: before anybody could have read, or after too many judgements and skips in a minute."""
    skips = choice == Choice.SKIP
    if skips and assignment.item.kind == ItemKind.TRAINING:
        return Outcome.TRAINING_SKIPPED
    if not skips and _seconds(assignment, now) < max(READING_SECONDS, study.rules.minimum_seconds):
        return Outcome.TOO_EARLY
    if MOST_PER_MINUTE and known.recent >= MOST_PER_MINUTE:
        return Outcome.SKIPPED_TOO_FAST if skips else Outcome.TOO_FAST
    return None


def _seconds(assignment: Assignment, now: datetime) -> float:
    """Since the item was shown, by this machine's clock."""
    return max(0.0, (now - (assignment.shown_at or assignment.leased_at)).total_seconds())


def next_revision(assignment: Assignment) -> int:
    """The number that the next judgement of this assignment gets."""
    return 1 if assignment.is_new else assignment.ratings.count() + 1


def _destination(study: Study, assignment: Assignment, choice: str) -> tuple[AssignmentState, Outcome]:
    """Where a new judgement takes its assignment. A paused study still takes what is on people's screens."""
    if study.state not in {StudyState.OPEN, StudyState.PAUSED}:
        return AssignmentState.LATE, Outcome.CLOSED
    if choice == Choice.SKIP:
        return AssignmentState.SKIPPED, Outcome.SKIPPED
    if assignment.state == AssignmentState.OPEN or has_room(study, assignment):
        return AssignmentState.DONE, Outcome.SAVED
    return AssignmentState.LATE, Outcome.LATE


def _move(assignment: Assignment, state: AssignmentState) -> None:
    keeps_its_place = assignment.state in HELD and state in HELD
    assignment.state = state
    Assignment.objects.filter(pk=assignment.pk).update(state=state)
    if not keeps_its_place:
        count_places([assignment.item_id])


class Undoable(NamedTuple):
    """A judgement or skip that its rater may still take back."""

    rating: int
    token: str
    revision: int


# Asked for every page, so by hand. Training is left out: its answer was seen.
LATEST = f"""
SELECT r.id, a.token, r.revision FROM {Rating._meta.db_table} r
JOIN {Assignment._meta.db_table} a ON a.id = r.assignment_id
JOIN {Item._meta.db_table} i ON i.id = a.item_id
JOIN {Study._meta.db_table} s ON s.id = i.study_id
WHERE a.rater_id = %s AND r.created_at >= %s AND a.state IN ('done', 'skipped') AND r.choice <> 'withdrawn'
      AND i.kind <> 'training' AND s.state = 'open'
      AND NOT EXISTS (SELECT 1 FROM {Rating._meta.db_table} n WHERE n.supersedes_id = r.id)
ORDER BY r.created_at DESC, r.id DESC LIMIT 1"""


def last_judgement(rater: User) -> Undoable | None:
    """The latest judgement or skip that this person may still take back; not of training."""
    since = connection.ops.adapt_datetimefield_value(timezone.now() - UNDO_TIME)
    with connection.cursor() as cursor:
        cursor.execute(LATEST, [rater.pk, since])
        row = cursor.fetchone()
    return Undoable(*row) if row else None


def undo(assignment: Assignment, revision: int) -> Outcome:
    """Take the judgement with this number back: a withdrawal supersedes it and its item is open again."""
    with transaction.atomic():
        study = locked(assignment.item.study_id)
        assignment.refresh_from_db()
        if assignment.ratings.filter(revision=revision + 1, choice=Choice.WITHDRAWN).exists():
            return Outcome.UNDONE
        last = last_judgement(assignment.rater)
        if last is None or (last.token, last.revision) != (assignment.token, revision):
            return Outcome.NOTHING_TO_UNDO
        if assignment.state == AssignmentState.SKIPPED and not has_room(study, assignment):
            return Outcome.NOTHING_TO_UNDO
        assignment.is_new = False
        assignment.ratings.create(
            revision=revision + 1, choice=Choice.WITHDRAWN, supersedes_id=last.rating, seconds=0.0
        )
        reopen(assignment)
        # What stood on the screen comes after it again, as if it had only been fetched ahead.
        held_by(assignment.rater).exclude(pk=assignment.pk).order_by().update(shown_at=None)
        return Outcome.UNDONE
