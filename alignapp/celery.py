"""The Celery app: three queues (cpu, live, gpu), messages that only say "look for work"."""

import logging
import os

from celery import Celery
from kombu.exceptions import OperationalError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")

log = logging.getLogger(__name__)

app = Celery("alignapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def call_workers(task: str) -> None:
    """Ask idle workers to look for work now. When the broker is down, beat's next sweep does the same."""
    try:
        app.send_task(task, expires=30)
    except OperationalError as error:
        log.warning("the broker did not answer (%s); the next sweep starts %s", error, task)
