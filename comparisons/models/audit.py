"""Who did what to a study, and when. Entries are only ever added."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from .append_only import AppendOnlyModel, AppendOnlyQuerySet
from .studies import Study


class AuditEntry(AppendOnlyModel):
    """One thing that was done to a study; `actor` is empty where the application did it by a rule."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="audit")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=40, help_text="created, opened, paused, extended, excluded, adjudicated, …")
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)

    objects = AppendOnlyQuerySet["AuditEntry"].as_manager()

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.study}: {self.verb}"
