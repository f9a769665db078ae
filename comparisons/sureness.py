"""How sure a result is: at once of few judgements, by a worker of many, and then from what the worker stored."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connection

from alignapp.accounts.models import User
from comparisons.models import Study, SurenessJob
from comparisons.results import Look
from comparisons.results.pools import pools_of
from comparisons.results.robustness import Question, Robustness, robustness
from comparisons.results.robustness_json import as_json, from_json
from comparisons.statistics.strengths.models import Model
from training import jobs
from training.models import JobState

log = logging.getLogger(__name__)

WORKERS = "comparisons.tasks.work_on_surenesses"
QUICK = 3_000
"""Judgements up to which a page computes it itself, in about a second."""


def how_sure(study: Study, look: Look, user: User | None, *, again: bool = False) -> Robustness | SurenessJob:
    """The answer, or the job that is to give it or could not; with `again` a failed one is asked once more."""
    question = Question.of(study, look)
    if len(question.judgements) <= QUICK:
        return robustness(study, look)
    latest = study.surenesses.filter(digest=question.digest).order_by("-created_at").first()
    if latest is None or (again and latest.state == JobState.FAILED):
        same = {"study": study, "digest": question.digest}
        return jobs.ask(SurenessJob, WORKERS, same, look=_stored(look), created_by=user)
    if latest.state != JobState.SUCCEEDED or latest.found is None:
        return latest
    return from_json(latest.found, {contender.pk: contender for contender in question.contenders})


def work() -> None:
    """Answers what was asked, one after the other."""
    while job := jobs.claim(SurenessJob):
        _run(job)


def _run(job: SurenessJob) -> None:
    def answer() -> None:
        with _kept_alive(job):
            found = as_json(Question.of(job.study, _look(job)).answer())
        jobs.finish(job, JobState.SUCCEEDED, found=found)

    jobs.bring_to_an_end(job, answer, "question", ())


def _stored(look: Look) -> dict[str, Any]:
    return {
        "stratum": look.stratum,
        "pool": look.pool.slug if look.pool else "",
        "model": look.model.value if look.model else "",
        "excluded": sorted(look.excluded),
    }


def _look(job: SurenessJob) -> Look:
    asked = job.look
    pools = {pool.slug: pool for pool in pools_of(job.study)}
    model = Model(asked["model"]) if asked["model"] else None
    return Look(asked["stratum"], pools[asked["pool"]] if asked["pool"] else None, model, frozenset(asked["excluded"]))


@contextmanager
def _kept_alive(job: SurenessJob) -> Iterator[None]:
    """Renew the claim while one long computation goes on, which cannot say that it lives."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(jobs.SECONDS_BETWEEN_HEARTBEATS):
            try:
                jobs.heartbeat(job)
            except DatabaseError:
                log.warning("the heartbeat of question %s was not written", job.pk, exc_info=True)
            except (jobs.LostClaim, jobs.CancelRequested):
                break  # who holds it finishes it; finishing here will say so
        connection.close()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
