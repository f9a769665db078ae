"""Runs and what happened to them; all changes of state go through training/runs/queue.py."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from training.config import Method, RunConfig, parse_config


class RunState(models.TextChoices):
    QUEUED = "queued", "Queued"
    CLAIMED = "claimed", "Claimed"
    RUNNING = "running", "Running"
    CANCELLING = "cancelling", "Cancelling"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"
    SUCCEEDED = "succeeded", "Succeeded"


ACTIVE = (RunState.CLAIMED, RunState.RUNNING, RunState.CANCELLING)
FINISHED = (RunState.CANCELLED, RunState.FAILED, RunState.SUCCEEDED)


class RunQuerySet(models.QuerySet["Run"]):
    """Named reads of the queue."""

    def waiting(self) -> RunQuerySet:
        """Queued runs in the order in which they will be claimed."""
        return self.filter(state=RunState.QUEUED).order_by("-priority", "queued_at")

    def active(self) -> RunQuerySet:
        """Runs that a worker holds."""
        return self.filter(state__in=ACTIVE).order_by("claimed_at")

    def finished(self) -> RunQuerySet:
        """Runs that will not change any more, latest first."""
        return self.filter(state__in=FINISHED).order_by("-finished_at")


class Run(models.Model):
    """One training job with a frozen configuration.

    queued ──claim──> claimed ──started──> running ──result──> succeeded
      │  ^               │                    │ └──failed event, crash──> failed ──resume──> queued
      │  └── worker lost or stopped ──────────┘
      └──cancel──> cancelled <──process gone── cancelling <──cancel── claimed, running
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=160)
    method = models.CharField(max_length=32, choices=[(method.value, method.label) for method in Method])
    config = models.JSONField(help_text="Frozen when queued; validated by training.config.")
    dataset_version = models.ForeignKey("training.DatasetVersion", on_delete=models.PROTECT, related_name="runs")
    base = models.ForeignKey("training.Policy", on_delete=models.PROTECT, related_name="runs_from_here")
    reward_model = models.ForeignKey(
        "training.Policy",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="runs_judged",
        help_text="A trained reward model, for RLHF and for constrained CPO's reward margin.",
    )
    inspected = models.ForeignKey(
        "training.Policy",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="inspections",
        help_text="Inspections: the policy or reward model that is looked at; the base itself in a reference check.",
    )
    state = models.CharField(max_length=16, choices=RunState.choices, default=RunState.QUEUED, db_index=True)
    priority = models.FloatField(default=0.0, help_text="Higher is claimed first; equal priorities by age.")

    attempt = models.PositiveIntegerField(
        default=0, help_text="Counts claims; an event of an older attempt is ignored."
    )
    worker = models.CharField(max_length=120, blank=True)
    process_group = models.PositiveIntegerField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)

    events_read = models.BigIntegerField(
        default=0, help_text="Bytes of events.jsonl that are stored as rows; changes together with them."
    )
    stage = models.CharField(max_length=120, blank=True)
    step = models.PositiveIntegerField(default=0)
    total_steps = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, help_text="What went wrong, in a sentence.")
    remedy = models.TextField(blank=True, help_text="What to change, in a sentence.")

    train_seconds = models.FloatField(default=0.0)
    tokens = models.BigIntegerField(default=0)
    peak_memory_bytes = models.BigIntegerField(default=0)
    result = models.JSONField(default=dict)
    alarms = models.JSONField(
        default=list, help_text="Names of the alarms that were open at the last look, for lists; the page judges anew."
    )

    data_verdict = models.CharField(
        max_length=16,
        blank=True,
        help_text="What the report on its data said when it was queued: training.preferences.report.Verdict, or "
        "unchecked; empty where none is asked.",
    )
    override_reason = models.TextField(
        blank=True, help_text="Why it was launched although the report on its data said do not train, or was not there."
    )

    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    queued_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("run", args=[self.pk])

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED

    @property
    def folder(self) -> Path:
        """RUN_DIR, described in docs/ARCHITECTURE.md."""
        return Path(settings.HOME) / "runs" / str(self.pk)

    @property
    def typed_config(self) -> RunConfig:
        """The frozen configuration as the type that the trainer reads."""
        return parse_config(self.method, self.config)


class RunEvent(models.Model):
    """One thing that happened to a run: a change of state, or something the trainer said."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    attempt = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=32, help_text="A state, or: stage, checkpoint, notice, resumed.")
    level = models.CharField(max_length=8, default="info")
    step = models.PositiveIntegerField(default=0)
    message = models.TextField(blank=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class RunMetric(models.Model):
    """One measured number at one step."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metrics")
    step = models.PositiveIntegerField()
    name = models.CharField(max_length=64)
    value = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "name", "step"], name="one_value_per_step")]

    def __str__(self) -> str:
        return f"{self.name}@{self.step}={self.value}"


class RunSample(models.Model):
    """An answer of the policy in training to one prompt, at one checkpoint."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="samples")
    step = models.PositiveIntegerField()
    position = models.PositiveIntegerField()
    prompt = models.JSONField()
    text = models.TextField()

    class Meta:
        ordering = ("step", "position")
        constraints = [models.UniqueConstraint(fields=["run", "step", "position"], name="one_sample_per_position")]

    def __str__(self) -> str:
        return self.text[:60]
