"""Jobs for workers: asked for once, held by one worker at a time, and ended with a sentence."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories import make_version
from training import jobs
from training.models import CleaningJob, DatasetVersion, JobState

pytestmark = pytest.mark.django_db
WORKERS = "training.tasks.work_on_cleanings"


@pytest.fixture
def version() -> DatasetVersion:
    return make_version()


def asked(version: DatasetVersion, what: str = "this") -> CleaningJob:
    same = {"parent": version, "digest": jobs.digest({"asked": what})}
    return jobs.ask(CleaningJob, WORKERS, same, recipe={})


def claimed(job: CleaningJob) -> CleaningJob:
    held = jobs.claim(CleaningJob, job.pk)
    assert held is not None
    return held


def abandon(job: CleaningJob) -> None:
    long_ago = timezone.now() - jobs.STALE_AFTER - timedelta(seconds=1)
    CleaningJob.objects.filter(pk=job.pk).update(heartbeat_at=long_ago)


def state(job: CleaningJob) -> str:
    return CleaningJob.objects.get(pk=job.pk).state


def test_the_same_is_one_job_until_it_has_ended(version):
    first = asked(version)
    assert asked(version) == first
    assert asked(version, "that") != first
    jobs.finish(claimed(first), JobState.SUCCEEDED)
    assert asked(version) != first


def test_the_oldest_waiting_job_is_claimed_first_and_by_one_worker(version):
    first, second = asked(version), asked(version, "that")
    assert [jobs.claim(CleaningJob), jobs.claim(CleaningJob), jobs.claim(CleaningJob)] == [first, second, None]


def test_an_abandoned_job_is_claimed_again_and_lost_to_whom_it_belonged(version):
    job = asked(version)
    first = claimed(job)
    abandon(job)
    second = claimed(job)
    for write in (jobs.heartbeat, lambda held: jobs.finish(held, JobState.SUCCEEDED)):
        with pytest.raises(jobs.LostClaim):
            write(first)
    jobs.heartbeat(second, rows_done=3)
    jobs.finish(second, JobState.SUCCEEDED)
    assert state(job) == JobState.SUCCEEDED


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_by_its_worker(version):
    waiting, running = asked(version), claimed(asked(version, "that"))
    assert jobs.cancel(waiting)
    assert state(waiting) == JobState.CANCELLED
    assert jobs.cancel(CleaningJob.objects.get(pk=running.pk))
    with pytest.raises(jobs.CancelRequested):
        jobs.heartbeat(running)
    jobs.finish(running, JobState.CANCELLED)
    assert not jobs.cancel(running)


def test_a_heartbeat_now_and_then_writes_once_a_second(version, monkeypatch):
    """At 0, 0.5 and 1 seconds: the second is too early."""
    now = 0.0
    monkeypatch.setattr(jobs, "monotonic", lambda: now)
    job = claimed(asked(version))
    beat = jobs.now_and_then(job)
    written = []
    for now in (0.0, 0.5, 1.0):
        beat(rows_done=int(10 * now))
        written.append(CleaningJob.objects.get(pk=job.pk).rows_done)
    assert written == [0, 0, 10]


def raising(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "error, ended, said",
    [
        (ValueError("Choose fewer rows."), JobState.FAILED, "Choose fewer rows."),
        (OSError(28, "No space left on device"), JobState.FAILED, "The disk is full."),
        (OSError(5, "Input/output error"), JobState.FAILED, "could not be read or written (Input/output error)"),
        (KeyError("secret"), JobState.FAILED, "The cleaning stopped on an unexpected error (KeyError)."),
        (jobs.CancelRequested(), JobState.CANCELLED, ""),
        (jobs.LostClaim(), JobState.RUNNING, ""),
    ],
)
def test_however_the_work_ends_is_written_down(version, error, ended, said):
    job = claimed(asked(version))
    jobs.bring_to_an_end(job, lambda: raising(error), "cleaning", (ValueError,))
    job = CleaningJob.objects.get(pk=job.pk)
    assert (job.state, said in job.error, "secret" in job.error) == (ended, True, False)
