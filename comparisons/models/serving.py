"""Engines that serve policies, and which policy is up where."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from training.models import Policy


class EndpointState(models.TextChoices):
    STARTING = "starting", "Starting"
    UP = "up", "Up"
    DOWN = "down", "Down"


class Endpoint(models.Model):
    """One vLLM engine: one root policy and the adapters on it. Written by `manage.py serve_policies`."""

    url = models.URLField(unique=True)
    root = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="endpoints")
    state = models.CharField(max_length=16, choices=EndpointState.choices, default=EndpointState.STARTING)
    engine = models.CharField(max_length=32, blank=True)
    version = models.CharField(max_length=32, blank=True)
    max_lora_rank = models.PositiveIntegerField(default=64)
    max_model_len = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="Last time the engine answered its keeper.")

    class Meta:
        ordering = ("url",)

    def __str__(self) -> str:
        return f"{self.engine} at {self.url}"


class ServedState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    UP = "up", "Up"
    FAILED = "failed", "Failed"


class ServedPolicy(models.Model):
    """A policy on an endpoint, under the policy's immutable served name."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="served")
    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="served")
    state = models.CharField(max_length=16, choices=ServedState.choices, default=ServedState.WAITING)
    error = models.TextField(blank=True)
    loaded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["endpoint", "policy"], name="one_row_per_endpoint_and_policy")]

    def __str__(self) -> str:
        return f"{self.policy} {self.state}"
