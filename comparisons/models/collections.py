"""Prompts that people write on request, for a topic that a dataset misses or to make policies fail."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse

from training.models import DatasetVersion

from .studies import Suite


class CollectionState(models.TextChoices):
    OPEN = "open", "Open"
    CLOSED = "closed", "Closed"


class PromptCollection(models.Model):
    """A request for prompts: open ──close──> closed, with a suite of what was written."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    guideline = models.TextField(help_text="What to write. Annotators read it, so it must not name a policy.")
    examples = models.JSONField(default=list, help_text="Prompts that show the topic: [text].")
    wanted = models.PositiveIntegerField(default=50, help_text="How many prompts are enough.")
    fills = models.ForeignKey(
        DatasetVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="collections"
    )
    state = models.CharField(max_length=8, choices=CollectionState.choices, default=CollectionState.OPEN, db_index=True)
    suite = models.OneToOneField(Suite, null=True, blank=True, on_delete=models.SET_NULL, related_name="collection")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("collection", args=[self.slug])


class CollectedPrompt(models.Model):
    """One prompt that somebody wrote. Withdrawn ones stay, but count no more."""

    collection = models.ForeignKey(PromptCollection, on_delete=models.CASCADE, related_name="prompts")
    text = models.TextField()
    sha256 = models.CharField(max_length=64, help_text="Of the text without regard to case and white space.")
    withdrawn = models.BooleanField(default=False)
    written_at = models.DateTimeField(auto_now_add=True)
    written_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=["collection", "sha256"], name="a_prompt_once_per_collection")]

    def __str__(self) -> str:
        return self.text[:80]
