"""Judgements on their way to a dataset version."""

from __future__ import annotations

from django.db import models
from django.urls import reverse

from training.models import DatasetVersion, Job
from training.models.jobs import IS_UNFINISHED

from .campaigns import Round
from .studies import Study


class SealingJob(Job):
    """The pairs of a study being sealed, by a rule; `digest` is of the rule and where they go."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="sealings")
    rule = models.JSONField(help_text="comparisons.export.Rule")
    pairs = models.PositiveIntegerField(help_text="How many the rule made when this was asked for.")
    dataset_name = models.CharField(max_length=120, blank=True, help_text="The dataset that gets a version, or:")
    parent = models.ForeignKey(
        DatasetVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="joined_by_sealings",
        help_text="The version whose rows the new one holds too.",
    )
    round = models.ForeignKey(
        Round,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="sealings",
        help_text="The round that the version follows on.",
    )
    version = models.ForeignKey(
        DatasetVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="made_by_sealings"
    )

    class Meta(Job.Meta):
        constraints = [
            models.UniqueConstraint(fields=["study", "digest"], condition=IS_UNFINISHED, name="one_sealing_at_a_time")
        ]

    def __str__(self) -> str:
        return f"sealing of {self.study}"

    def get_absolute_url(self) -> str:
        return reverse("sealing", args=[self.pk])

    @property
    def rows_total(self) -> int:
        """How many rows are to be written."""
        return self.pairs + (self.parent.rows if self.parent else 0)
