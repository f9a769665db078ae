"""What would change a study's result, computed by a worker where there are many judgements."""

from __future__ import annotations

from django.db import models

from training.models import Job
from training.models.jobs import IS_UNFINISHED

from .studies import Study


class SurenessJob(Job):
    """How sure a result is, being asked; `digest` names the judgements and all else that the answer depends on."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="surenesses")
    look = models.JSONField(help_text="The part of the study that is looked at (comparisons.sureness).")
    found = models.JSONField(null=True, blank=True, help_text="comparisons.results.robustness.Robustness")

    class Meta(Job.Meta):
        constraints = [
            models.UniqueConstraint(fields=["study", "digest"], condition=IS_UNFINISHED, name="one_sureness_at_a_time")
        ]

    def __str__(self) -> str:
        return f"how sure {self.study} is"

    @property
    def rows_total(self) -> int:
        """Nothing is counted while it is computed."""
        return 0
