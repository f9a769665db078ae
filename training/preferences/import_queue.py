"""The states of an ImportJob. Every change is one of these functions, by compare-and-set.

A worker holds a job as long as the heartbeat in the row is the one it wrote. A job whose heartbeat is old
belongs to a worker that died, and is claimed again; should that worker still live, its next heartbeat fails.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from training.models import ImportJob, ImportState

STALE_AFTER = timedelta(seconds=60)
UNFINISHED = (ImportState.QUEUED, ImportState.RUNNING)


class LostClaim(Exception):
    """Another worker has taken the job over; this one must not touch it any more."""


class CancelRequested(Exception):
    """Somebody asked for the import to stop."""


def claim(import_id: UUID | None = None) -> ImportJob | None:
    """Takes the oldest job that waits or was abandoned (or the one named), or returns None."""
    while job := _waiting(import_id).order_by("created_at").first():
        fresh = {"state": ImportState.RUNNING, "heartbeat_at": timezone.now()}
        fresh |= {"bytes_read": 0, "accepted": 0, "rejected": 0}
        if _change(job, job.state, **fresh):
            return job
    return None


def _waiting(import_id: UUID | None) -> QuerySet[ImportJob]:
    abandoned = Q(state=ImportState.RUNNING, heartbeat_at__lt=timezone.now() - STALE_AFTER)
    waiting = ImportJob.objects.filter(Q(state=ImportState.QUEUED) | abandoned)
    return waiting.filter(pk=import_id) if import_id else waiting


def heartbeat(job: ImportJob, **progress: Any) -> None:
    """Renews the claim and stores progress; raises LostClaim or CancelRequested."""
    if not _change(job, ImportState.RUNNING, heartbeat_at=_later_than(job.heartbeat_at), **progress):
        raise LostClaim
    if ImportJob.objects.filter(pk=job.pk, cancel_requested=True).exists():
        raise CancelRequested


def finish(job: ImportJob, state: ImportState, **result: Any) -> None:
    """Ends a held job; raises LostClaim."""
    if not _change(job, ImportState.RUNNING, state=state, finished_at=timezone.now(), **result):
        raise LostClaim


def cancel(job: ImportJob) -> bool:
    """Ends a waiting job at once, or asks the worker of a running one to stop; False when it has ended."""
    job.refresh_from_db()
    if _change(job, ImportState.QUEUED, state=ImportState.CANCELLED, finished_at=timezone.now()):
        return True
    running = ImportJob.objects.filter(pk=job.pk, state=ImportState.RUNNING)
    return bool(running.update(cancel_requested=True))


def _change(job: ImportJob, state_before: str, **changes: Any) -> bool:
    """Writes the changes unless the row has another state by now, or another heartbeat than `job`."""
    unchanged = ImportJob.objects.filter(pk=job.pk, state=state_before, heartbeat_at=job.heartbeat_at)
    if not unchanged.update(**changes):
        return False
    for name, value in changes.items():
        setattr(job, name, value)
    return True


def _later_than(before: datetime | None) -> datetime:
    """Now, but never the same moment twice: the heartbeat is what tells two claims apart."""
    now = timezone.now()
    return max(now, before + timedelta(microseconds=1)) if before else now
