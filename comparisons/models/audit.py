"""Who did what to a study, and when. Entries are only ever added."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone

from .studies import Study


class AppendOnly(TypeError):
    """Somebody tried to change what may only be added to."""

    def __init__(self) -> None:
        super().__init__("Audit entries are never changed or deleted; add another one.")


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Reads, and writes refused."""

    def update(self, **values: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly


class AuditEntry(models.Model):
    """One thing that was done to a study; `actor` is empty where the application did it by a rule."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="audit")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=40, help_text="created, opened, paused, extended, excluded, adjudicated, …")
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.study}: {self.verb}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store a new entry; raises AppendOnly for one that is there."""
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly
