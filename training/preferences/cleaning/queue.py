"""The states of a CleaningJob. Every change is one of these functions, by compare-and-set, as in import_queue.

A job whose heartbeat is old belongs to a worker that died, and is claimed again; should that worker still live, its
next heartbeat fails.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from training.models import CleaningJob, CleaningState
from training.preferences.import_queue import STALE_AFTER, CancelRequested, LostClaim


def claim(job_id: UUID | None = None) -> CleaningJob | None:
    """Takes the oldest job that waits or was abandoned (or the one named), or returns None."""
    abandoned = Q(state=CleaningState.RUNNING, heartbeat_at__lt=timezone.now() - STALE_AFTER)
    waiting = CleaningJob.objects.filter(Q(state=CleaningState.QUEUED) | abandoned).order_by("created_at")
    if job_id:
        waiting = waiting.filter(pk=job_id)
    while job := waiting.first():
        fresh = {"state": CleaningState.RUNNING, "heartbeat_at": timezone.now(), "rows_done": 0, "stage": ""}
        if _change(job, job.state, **fresh):
            return job
    return None


def heartbeat(job: CleaningJob, **progress: Any) -> None:
    """Renews the claim and stores progress; raises LostClaim or CancelRequested."""
    if not _change(job, CleaningState.RUNNING, heartbeat_at=_later_than(job.heartbeat_at), **progress):
        raise LostClaim
    if CleaningJob.objects.filter(pk=job.pk, cancel_requested=True).exists():
        raise CancelRequested


def finish(job: CleaningJob, state: CleaningState, **result: Any) -> None:
    """Ends a held job; raises LostClaim."""
    if not _change(job, CleaningState.RUNNING, state=state, finished_at=timezone.now(), **result):
        raise LostClaim


def cancel(job: CleaningJob) -> bool:
    """Ends a waiting job at once, or asks the worker of a running one to stop; False when it has ended."""
    job.refresh_from_db()
    if _change(job, CleaningState.QUEUED, state=CleaningState.CANCELLED, finished_at=timezone.now()):
        return True
    return bool(CleaningJob.objects.filter(pk=job.pk, state=CleaningState.RUNNING).update(cancel_requested=True))


def _change(job: CleaningJob, state_before: str, **changes: Any) -> bool:
    """Writes the changes unless the row has another state by now, or another heartbeat than `job`."""
    unchanged = CleaningJob.objects.filter(pk=job.pk, state=state_before, heartbeat_at=job.heartbeat_at)
    if not unchanged.update(**changes):
        return False
    for name, value in changes.items():
        setattr(job, name, value)
    return True


def _later_than(before: datetime | None) -> datetime:
    """Now, but never the same moment twice: the heartbeat is what tells two claims apart."""
    now = timezone.now()
    return max(now, before + timedelta(microseconds=1)) if before else now
