"""Prompt suites, studies, and the stored answers that people compare."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from training.models import DatasetVersion, Policy


class Stratum(models.TextChoices):
    IN_DISTRIBUTION = "in_distribution", "In distribution"
    PARAPHRASED = "paraphrased", "Paraphrased"
    UNCOVERED = "uncovered", "Not covered by the data"
    ADVERSARIAL = "adversarial", "Adversarial"
    OTHER = "other", "Other"


class Suite(models.Model):
    """A fixed list of prompts on which policies are compared."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    stratum = models.CharField(max_length=20, choices=Stratum.choices, default=Stratum.OTHER)
    rejected = models.JSONField(default=list, help_text="Lines that gave no prompt: [{line, reason, text}].")
    # The version that lacks pairs for these prompts; pairs from studies on them are offered to join it.
    fills = models.ForeignKey(
        DatasetVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="gap_suites"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("suite", args=[self.slug])


class Prompt(models.Model):
    """One conversation that waits for an answer."""

    suite = models.ForeignKey(Suite, on_delete=models.CASCADE, related_name="prompts")
    position = models.PositiveIntegerField()
    messages = models.JSONField(help_text="[{role, content}]; the last role is user.")
    sha256 = models.CharField(max_length=64, db_index=True)

    class Meta:
        ordering = ("suite", "position")
        constraints = [models.UniqueConstraint(fields=["suite", "sha256"], name="a_prompt_once_per_suite")]

    def __str__(self) -> str:
        return str(self.messages[-1]["content"])[:80]


class StudyState(models.TextChoices):
    GENERATING = "generating", "Generating answers"
    OPEN = "open", "Open for rating"
    PAUSED = "paused", "Paused"
    CLOSED = "closed", "Closed"
    FAILED = "failed", "Failed"


class Study(models.Model):
    """A blind comparison of policies on a suite.

    generating ──answers stored──> open <──> paused ──close──> closed
        │  ^                         └─────────close────────────^ ^
        │  └──try again── failed <── nothing to judge             │
        └────────────────────────close────────────────────────────┘
    """

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    guideline = models.TextField(blank=True, help_text="What raters should look at. Must not name a policy.")
    suite = models.ForeignKey(Suite, on_delete=models.PROTECT, related_name="studies")
    state = models.CharField(max_length=16, choices=StudyState.choices, default=StudyState.GENERATING, db_index=True)
    item_limit = models.PositiveIntegerField(default=0, help_text="At most this many items; 0 means all.")
    ratings_per_item = models.PositiveIntegerField(default=1)
    # Sampling is the same for every contender: {"temperature", "top_p", "max_tokens", "seed"}.
    sampling = models.JSONField(default=dict)
    seed = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "studies"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("study", args=[self.slug])


class Contender(models.Model):
    """A policy in a study."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="contenders")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="contenders")

    class Meta:
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=["study", "policy"], name="a_policy_once_per_study")]

    def __str__(self) -> str:
        return str(self.policy)


class Answer(models.Model):
    """What one contender said to one prompt, with the gateway's own measurements. Never changed once stored."""

    contender = models.ForeignKey(Contender, on_delete=models.CASCADE, related_name="answers")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="answers")
    text = models.TextField()
    finish_reason = models.CharField(max_length=32)
    tokens = models.PositiveIntegerField()
    first_token_seconds = models.FloatField()
    total_seconds = models.FloatField()
    retries = models.PositiveIntegerField(default=0, help_text="Requests that failed before this one answered.")
    error = models.TextField(blank=True, help_text="Why the engine refused the prompt; then the text is empty.")
    seed = models.BigIntegerField()
    served_name = models.CharField(max_length=120)
    engine_version = models.CharField(max_length=32)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contender", "prompt"], name="one_answer_per_prompt")]

    def __str__(self) -> str:
        return self.text[:60]


class Item(models.Model):
    """Two stored answers to the same prompt, to be judged against each other."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="items")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="items")
    first = models.ForeignKey(Answer, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(Answer, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField(help_text="Place in the study's shuffled order.")
    quarantine = models.CharField(max_length=200, blank=True, help_text="Why raters must not see it; empty: they may.")

    class Meta:
        ordering = ("study", "position")
        constraints = [
            models.UniqueConstraint(fields=["study", "first", "second"], name="a_pair_of_answers_once_per_study")
        ]

    def __str__(self) -> str:
        return f"item {self.position} of {self.study}"
