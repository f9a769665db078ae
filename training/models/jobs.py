"""What rows of work for a worker have in common; training.jobs moves them from state to state."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class JobState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


UNFINISHED = (JobState.QUEUED, JobState.RUNNING)
IS_UNFINISHED = models.Q(state__in=["queued", "running"])


class Job(models.Model):
    """Work on rows of a version: queued -> running -> succeeded | failed | cancelled."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # SHA-256 of what is asked: two people who ask for the same at once get the same job.
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=16, choices=JobState.choices, default=JobState.QUEUED, db_index=True)
    cancel_requested = models.BooleanField(default=False)
    stage = models.CharField(max_length=120, blank=True)
    rows_done = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        abstract = True
        ordering = ("-created_at",)

    @property
    def ended(self) -> bool:
        return self.state not in UNFINISHED

    @property
    def rows_total(self) -> int:
        """How many rows are to be dealt with, as far as that is known."""
        raise NotImplementedError

    @property
    def percent(self) -> int:
        """How much of the rows is done, at most 100."""
        return min(100, 100 * self.rows_done // self.rows_total) if self.rows_total else 0
