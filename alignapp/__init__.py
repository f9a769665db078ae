"""Wiring only: settings, URLs, Celery, ASGI, accounts. Domain code lives in `training` and `comparisons`."""

from .celery import app as celery_app

__all__ = ["celery_app"]
