"""Celery's side of training. A message only says "look for work"; what there is to do stands in the database."""

from __future__ import annotations

import threading
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from alignapp.celery import call_workers
from training.runs import supervision

_stopping = threading.Event()


@worker_shutting_down.connect
def _stop_supervising(**_: Any) -> None:
    """Let the running trainer write its checkpoint and give its run back before the worker leaves."""
    _stopping.set()


@shared_task
def work_on_runs() -> None:
    """Claim waiting runs and train them, one after the other (queue gpu, one worker per device).

    An idle worker looks for lost runs itself: the sweep waits while imports and studies fill the cpu workers.
    """
    supervision.reap()
    supervision.work(_stopping)


@shared_task
def reap_lost_runs() -> int:
    """Queue runs again whose worker fell silent."""
    return supervision.reap()


@shared_task
def work_on_imports() -> None:
    """Read waiting uploads into sealed dataset versions."""
    from training.preferences import importing

    importing.work()
    call_workers("training.tasks.index_rows")


@shared_task
def index_rows() -> None:
    """Make the indexes by which rows are browsed, where somebody waits for one or a large version is new."""
    from training.preferences.browsing import making

    making.make_missing()


@shared_task
def work_on_cleanings() -> None:
    """Apply waiting cleaning recipes."""
    from training.preferences.cleaning import making

    making.work()
