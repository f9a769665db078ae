"""Waiting for what workers and the engine do, telling progress; a failure ends the wait with its reason."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Protocol

from comparisons.models import SealingJob, ServedPolicy, ServedState, Study, StudyState
from training.config import Method
from training.launching.data_verdict import data_verdict
from training.models import DatasetVersion, ImportJob, Policy, Run, RunState

Tell = Callable[[str], None]
POLL_SECONDS = 1.0
SERVING_SECONDS = 300.0


class Progress:
    """Prints a line when it says something new, and at most every other second while only numbers change."""

    def __init__(self, write: Callable[[str], object], every: float = 2.0) -> None:
        self.write, self.every = write, every
        self.last, self.at = "", 0.0

    def __call__(self, line: str) -> None:
        now = time.monotonic()
        changed = _without_numbers(line) != _without_numbers(self.last)
        if line != self.last and (changed or now - self.at >= self.every):
            self.last, self.at = line, now
            self.write(line)


def _without_numbers(line: str) -> str:
    return re.sub(r"[0-9]+", "", line)


class StageFailed(Exception):
    """A stage that cannot go on; the message says what happened and where to look."""


class _Refreshes(Protocol):
    def refresh_from_db(self) -> None: ...


def run_finished(run: Run, tell: Tell) -> Policy:
    """Wait until the run ends and return its policy; raises StageFailed when it failed or was cancelled."""
    _follow(run, lambda: run.is_finished, lambda: _run_progress(run), tell)
    if run.state != RunState.SUCCEEDED:
        raise StageFailed(f"{run.name} {run.get_state_display().lower()}: {run.error or 'see its page'} {run.remedy}")
    return Policy.objects.get(run=run)


def _run_progress(run: Run) -> str:
    if run.state == RunState.QUEUED:
        return f"{run.name}: waiting for the GPU worker"
    share = f", step {run.step} of {run.total_steps}" if run.total_steps else ""
    return f"{run.name}: {run.stage or 'starting the trainer'}{share}"


def version_of(job: ImportJob) -> DatasetVersion:
    """The version that an import made; raises StageFailed with its reason when it made none."""
    if job.version is None:
        raise StageFailed(f"The import of {job.filename} made no version: {job.error}")
    return job.version


def version_sealed(job: SealingJob, tell: Tell) -> DatasetVersion:
    """Wait until a worker has sealed a study's pairs and return their version; raises StageFailed with its reason."""
    _follow(job, lambda: job.ended, lambda: f"Pairs: {job.stage or 'waiting for a worker'}", tell)
    if job.version is None:
        raise StageFailed(f"The pairs of {job.study.name} gave no version: {job.error or job.get_state_display()}")
    return job.version


def report_made(method: Method, version: DatasetVersion, tell: Tell) -> None:
    """Wait until a worker has made the report that a launch asks for, or given it up."""
    tell(f"Data: waiting for the report on {version}")
    _follow(version, lambda: _is_settled(method, version), lambda: f"Report: {version.report_stage or 'waiting'}", tell)


def _is_settled(method: Method, version: DatasetVersion) -> bool:
    found = data_verdict(method, version)
    return found is None or not found.is_awaited


def policy_served(policy: Policy, tell: Tell) -> None:
    """Wait until vLLM serves the policy; raises StageFailed with the keeper's reason, or after five minutes."""
    deadline = time.monotonic() + SERVING_SECONDS
    while not ServedPolicy.objects.up().filter(policy=policy).exists():
        tell(f"Serving: waiting for vLLM to serve {policy.name}")
        failed = ServedPolicy.objects.filter(policy=policy, state=ServedState.FAILED).first()
        if failed:
            raise StageFailed(f"vLLM cannot serve {policy.name}: {failed.error}")
        if time.monotonic() > deadline:
            raise StageFailed(f"vLLM did not serve {policy.name} within five minutes; see log/engine.log.")
        time.sleep(POLL_SECONDS)


def study_open(study: Study, tell: Tell) -> Study:
    """Wait until every answer of the study is stored and it is open for rating."""
    total = study.contenders.count() * study.prompts.count()

    def progress() -> str:
        done = sum(contender.answers.count() for contender in study.contenders.all())
        return f"Study: {done} of {total} answers generated {study.error}".rstrip()

    _follow(study, lambda: study.state != StudyState.GENERATING, progress, tell)
    if study.state == StudyState.FAILED:
        raise StageFailed(f"The answers of {study.name} could not be generated: {study.error}")
    return study


def _follow(row: _Refreshes, done: Callable[[], bool], progress: Callable[[], str], tell: Tell) -> None:
    """Look at the row once a second until it is done, telling what changed."""
    row.refresh_from_db()
    while not done():
        tell(progress())
        time.sleep(POLL_SECONDS)
        row.refresh_from_db()
