"""Engines that serve policies, and which policy is up where."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone

from training.models import Policy


class EndpointState(models.TextChoices):
    STARTING = "starting", "Starting"
    UP = "up", "Up"
    DOWN = "down", "Down"


# The keeper writes every few seconds; longer silence means that it is gone, whatever its last word was.
SILENCE = timedelta(seconds=60)


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
    kept_at = models.DateTimeField(null=True, blank=True, help_text="Last sign of life of the engine's keeper.")
    seen_at = models.DateTimeField(null=True, blank=True, help_text="Last time the engine answered its keeper.")

    class Meta:
        ordering = ("url",)

    def __str__(self) -> str:
        return f"{self.engine or 'vLLM'} at {self.url}"

    @property
    def is_up(self) -> bool:
        """Whether the engine answered its keeper a moment ago."""
        return self.state == EndpointState.UP and not self.is_silent

    @property
    def is_silent(self) -> bool:
        """Whether the keeper should have written by now and has not: it ended without a word."""
        return self.state != EndpointState.DOWN and (self.kept_at is None or self.kept_at < timezone.now() - SILENCE)

    @property
    def trouble(self) -> str:
        """Why it does not serve, in a sentence; empty while it does."""
        if self.is_silent:
            return "Its keeper ended without a word. Start `manage.py serve_policies` again."
        return self.error


class ServedState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    UP = "up", "Up"
    FAILED = "failed", "Failed"


class ServedPolicyQuerySet(models.QuerySet["ServedPolicy"]):
    """Named reads of what is served where."""

    def up(self) -> ServedPolicyQuerySet:
        """Policies that answer right now."""
        recently = timezone.now() - SILENCE
        return self.filter(state=ServedState.UP, endpoint__state=EndpointState.UP, endpoint__kept_at__gte=recently)


class ServedPolicy(models.Model):
    """A policy on an endpoint, under the policy's immutable served name."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="served")
    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="served")
    state = models.CharField(max_length=16, choices=ServedState.choices, default=ServedState.WAITING)
    error = models.TextField(blank=True)
    tried_at = models.DateTimeField(null=True, blank=True)
    loaded_at = models.DateTimeField(null=True, blank=True)

    objects = ServedPolicyQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["endpoint", "policy"], name="one_row_per_endpoint_and_policy")]

    def __str__(self) -> str:
        return f"{self.policy} {self.state}"
