"""Recipes on their way to new versions."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse

from training.models.preferences import DatasetVersion


class CleaningState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class CleaningKind(models.TextChoices):
    """What a worker is to find out or make."""

    VERSION = "version", "A new version"
    PREVIEW = "preview", "What would change"


UNFINISHED = (CleaningState.QUEUED, CleaningState.RUNNING)


class CleaningJob(models.Model):
    """A recipe being applied to a version, or looked at: queued -> running -> succeeded | failed | cancelled."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    parent = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="cleanings")
    recipe = models.JSONField(help_text="training.preferences.cleaning.recipes.Recipe")
    kind = models.CharField(max_length=16, choices=CleaningKind.choices, default=CleaningKind.VERSION)
    # SHA-256 of kind and recipe: two people who ask for the same at once get the same job.
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=16, choices=CleaningState.choices, default=CleaningState.QUEUED, db_index=True)
    cancel_requested = models.BooleanField(default=False)
    stage = models.CharField(max_length=120, blank=True)
    rows_done = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True)
    figures = models.JSONField(default=dict, blank=True, help_text="What cleaning.previews.write says of a preview")
    version = models.ForeignKey(
        DatasetVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="made_by_cleanings"
    )
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["parent", "digest"],
                condition=models.Q(state__in=["queued", "running"]),
                name="one_cleaning_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"cleaning of {self.parent}"

    def get_absolute_url(self) -> str:
        return reverse("dataset-cleaning", args=[self.pk])

    @property
    def ended(self) -> bool:
        return self.state not in UNFINISHED
