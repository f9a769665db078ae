"""Recipes on their way to new versions."""

from __future__ import annotations

from django.db import models
from django.urls import reverse

from training.models.jobs import IS_UNFINISHED, Job
from training.models.preferences import DatasetVersion


class CleaningKind(models.TextChoices):
    """What a worker is to find out or make."""

    VERSION = "version", "A new version"
    PREVIEW = "preview", "What would change"


class CleaningJob(Job):
    """A recipe being applied to a version, or looked at; `digest` is of kind and recipe."""

    parent = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="cleanings")
    recipe = models.JSONField(help_text="training.preferences.cleaning.recipes.Recipe")
    kind = models.CharField(max_length=16, choices=CleaningKind.choices, default=CleaningKind.VERSION)
    figures = models.JSONField(default=dict, blank=True, help_text="What cleaning.previews.write says of a preview")
    version = models.ForeignKey(
        DatasetVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="made_by_cleanings"
    )

    class Meta(Job.Meta):
        constraints = [
            models.UniqueConstraint(fields=["parent", "digest"], condition=IS_UNFINISHED, name="one_cleaning_at_a_time")
        ]

    def __str__(self) -> str:
        return f"cleaning of {self.parent}"

    def get_absolute_url(self) -> str:
        return reverse("dataset-cleaning", args=[self.pk])

    @property
    def rows_total(self) -> int:
        """How many rows are to be dealt with."""
        return self.parent.rows
