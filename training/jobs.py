"""Work that workers take up: asked for once, claimed, kept alive, ended. Its rows are training.models.jobs.Job.

Every change is one of these functions, by compare-and-set. A worker holds a job as long as the heartbeat in the row is
the one it wrote. A job whose heartbeat is old belongs to a worker that died, and is claimed again; should that worker
still live, its next heartbeat fails.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone

from alignapp import disk
from alignapp.celery import call_workers
from training.models import ImportJob, Job, JobState

J = TypeVar("J", bound=Job)
log = logging.getLogger(__name__)

STALE_AFTER = timedelta(seconds=60)
SECONDS_BETWEEN_HEARTBEATS = 1.0


class LostClaim(Exception):
    """Another worker has taken the job over; this one must not touch it any more."""


class CancelRequested(Exception):
    """Somebody asked for the job to stop."""


def digest(asked: dict[str, Any]) -> str:
    """SHA-256 of what is asked for, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def ask(kind: type[J], task: str, same: dict[str, Any], /, **values: Any) -> J:
    """A new job, about which workers are told; or the unfinished one that is the `same` by a constraint."""
    jobs: models.Manager[J] = kind._default_manager
    try:
        with transaction.atomic():
            job = jobs.create(**same, **values)
    except IntegrityError:
        return jobs.filter(**same).order_by("-created_at")[0]
    transaction.on_commit(lambda: call_workers(task))
    return job


def claim(kind: type[J], job_id: UUID | None = None) -> J | None:
    """Takes the oldest job that waits or was abandoned (or the one named), or returns None."""
    abandoned = Q(state=JobState.RUNNING, heartbeat_at__lt=timezone.now() - STALE_AFTER)
    waiting = kind._default_manager.filter(Q(state=JobState.QUEUED) | abandoned).order_by("created_at")
    if job_id:
        waiting = waiting.filter(pk=job_id)
    while job := waiting.first():
        fresh = {"state": JobState.RUNNING, "heartbeat_at": later_than(job.heartbeat_at), "rows_done": 0, "stage": ""}
        if change(job, job.state, **fresh):
            return job
    return None


def heartbeat(job: Job, **progress: Any) -> None:
    """Renews the claim and stores progress; raises LostClaim or CancelRequested."""
    if not change(job, JobState.RUNNING, heartbeat_at=later_than(job.heartbeat_at), **progress):
        raise LostClaim
    if _rows(job).filter(cancel_requested=True).exists():
        raise CancelRequested


def now_and_then(job: Job) -> Callable[..., None]:
    """`heartbeat` of the job, to be called as often as one likes: it does something once a second."""
    due = monotonic()

    def beat(**progress: Any) -> None:
        nonlocal due
        if monotonic() >= due:
            heartbeat(job, **progress)
            due = monotonic() + SECONDS_BETWEEN_HEARTBEATS

    return beat


def finish(job: Job, state: JobState, **result: Any) -> None:
    """Ends a held job; raises LostClaim."""
    if not change(job, JobState.RUNNING, state=state, finished_at=timezone.now(), **result):
        raise LostClaim


def cancel(job: Job) -> bool:
    """Ends a waiting job at once, or asks the worker of a running one to stop; False when it has ended."""
    job.refresh_from_db()
    if change(job, JobState.QUEUED, state=JobState.CANCELLED, finished_at=timezone.now()):
        return True
    return bool(_rows(job).filter(state=JobState.RUNNING).update(cancel_requested=True))


def bring_to_an_end(job: Job, work: Callable[[], None], name: str, refusals: tuple[type[Exception], ...]) -> None:
    """Does the work of a held job, which finishes it, or writes down why it did not. A lost claim is its holder's.

    `refusals` are errors whose message is a sentence for people; `name` says what stopped at any other.
    """
    try:
        work()
    except LostClaim:
        log.warning("%s %s was taken over by another worker", name, job.pk)
    except CancelRequested:
        _end(job, JobState.CANCELLED)
    except refusals as error:
        _end(job, JobState.FAILED, str(error))
    except OSError as error:
        log.exception("%s %s failed", name, job.pk)
        _end(job, JobState.FAILED, disk.sentence(error, "Nothing was made", "ask for it again"))
    except Exception as error:
        log.exception("%s %s failed", name, job.pk)
        reason = f"The {name} stopped on an unexpected error ({type(error).__name__}). Nothing was made."
        _end(job, JobState.FAILED, f"{reason} The worker's log has the details.")


def _end(job: Job, state: JobState, error: str = "") -> None:
    try:
        finish(job, state, error=error)
    except LostClaim:
        log.warning("%s was taken over by another worker", job.pk)


def remove_partials(folder: Path, name: str) -> None:
    """Clears what a killed attempt left of its files in the making, whose names begin with `.<name>-`."""
    for path in folder.glob(f".{name}-*"):
        path.unlink(missing_ok=True)


def change(row: Job | ImportJob, state_before: str, **changes: Any) -> bool:
    """Writes the changes unless the row has another state by now, or another heartbeat than `row`."""
    if not _rows(row).filter(state=state_before, heartbeat_at=row.heartbeat_at).update(**changes):
        return False
    for name, value in changes.items():
        setattr(row, name, value)
    return True


def _rows(row: Job | ImportJob) -> models.QuerySet[Any]:
    """The row itself, to be asked again."""
    rows: models.QuerySet[Any] = type(row)._default_manager.filter(pk=row.pk)
    return rows


def later_than(before: datetime | None) -> datetime:
    """Now, but never the same moment twice: the heartbeat is what tells two claims apart."""
    now = timezone.now()
    return max(now, before + timedelta(microseconds=1)) if before else now
