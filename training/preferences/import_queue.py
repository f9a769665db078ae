"""The states of an ImportJob. Every change is one of these functions, by compare-and-set as in training.jobs.

A worker holds a job as long as the heartbeat in the row is the one it wrote. A job whose heartbeat is old
belongs to a worker that died, and is claimed again; should that worker still live, its next heartbeat fails.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from training.jobs import STALE_AFTER, CancelRequested, LostClaim, change, later_than
from training.models import ImportJob, ImportState

UNFINISHED = (ImportState.DRAFT, ImportState.QUEUED, ImportState.RUNNING)
REPEATABLE = (ImportState.FAILED, ImportState.CANCELLED)
AFRESH: dict[str, Any] = {"bytes_read": 0, "accepted": 0, "rejected": 0, "pairs": 0}


def claim(import_id: UUID | None = None) -> ImportJob | None:
    """Takes the oldest job that waits or was abandoned (or the one named), or returns None."""
    while job := _waiting(import_id).order_by("created_at").first():
        if change(job, job.state, state=ImportState.RUNNING, heartbeat_at=later_than(job.heartbeat_at), **AFRESH):
            return job
    return None


def claim_draft() -> ImportJob | None:
    """Takes the oldest draft whose rows nobody has looked at yet, or returns None; its state stays."""
    unseen = ImportJob.objects.filter(state=ImportState.DRAFT, mapping={})
    stale = Q(heartbeat_at=None) | Q(heartbeat_at__lt=timezone.now() - STALE_AFTER)
    while job := unseen.filter(stale).order_by("created_at").first():
        if change(job, ImportState.DRAFT, heartbeat_at=later_than(job.heartbeat_at)):
            return job
    return None


def _waiting(import_id: UUID | None) -> QuerySet[ImportJob]:
    abandoned = Q(state=ImportState.RUNNING, heartbeat_at__lt=timezone.now() - STALE_AFTER)
    waiting = ImportJob.objects.filter(Q(state=ImportState.QUEUED) | abandoned)
    return waiting.filter(pk=import_id) if import_id else waiting


def heartbeat(job: ImportJob, **progress: Any) -> None:
    """Renews the claim and stores progress; raises LostClaim (a cancelled draft is lost) or CancelRequested."""
    if not change(job, job.state, heartbeat_at=later_than(job.heartbeat_at), **progress):
        raise LostClaim
    if ImportJob.objects.filter(pk=job.pk, cancel_requested=True).exists():
        raise CancelRequested


def finish(job: ImportJob, state: ImportState, *, before: ImportState = ImportState.RUNNING, **result: Any) -> None:
    """Ends a held job, or (`before`) a draft that cannot be looked at; raises LostClaim."""
    if not change(job, before, state=state, finished_at=timezone.now(), **result):
        raise LostClaim


def leave(job: ImportJob) -> None:
    """Gives a held draft back, for a worker to look at."""
    change(job, ImportState.DRAFT, heartbeat_at=None)


def recognised(job: ImportJob, **seen: Any) -> None:
    """Stores what a held draft's first rows have shown; raises LostClaim."""
    if not change(job, ImportState.DRAFT, **seen):
        raise LostClaim


def confirm(job: ImportJob, **settled: Any) -> bool:
    """Sends a draft into the queue; False when it is no draft any more."""
    drafts = ImportJob.objects.filter(pk=job.pk, state=ImportState.DRAFT)
    return bool(drafts.update(state=ImportState.QUEUED, heartbeat_at=None, **settled))


def cancel(job: ImportJob) -> bool:
    """Ends a waiting job or draft at once, or asks the worker of a running one to stop; False when it has ended."""
    waiting = ImportJob.objects.filter(pk=job.pk, state__in=(ImportState.DRAFT, ImportState.QUEUED))
    if waiting.update(state=ImportState.CANCELLED, finished_at=timezone.now()):
        return True
    running = ImportJob.objects.filter(pk=job.pk, state=ImportState.RUNNING)
    return bool(running.update(cancel_requested=True))


def repeat(job: ImportJob, *, look: bool) -> bool:
    """Makes a draft of a job that failed or was cancelled; `look`: a worker looks at its rows first."""
    ended = ImportJob.objects.filter(pk=job.pk, state__in=REPEATABLE)
    again = {"error": "", "cancel_requested": False, "heartbeat_at": None, "finished_at": None, **AFRESH}
    again |= {"mapping": {}} if look else {}
    return bool(ended.update(state=ImportState.DRAFT, **again))
