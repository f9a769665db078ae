"""The Celery app: two queues (cpu, gpu), messages that only say "look for work"."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")

app = Celery("alignapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
