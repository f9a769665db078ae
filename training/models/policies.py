"""Policies: base models and what runs made of them."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models
from django.urls import reverse


class PolicyKind(models.TextChoices):
    UNTRAINED = "untrained", "Architecture without weights"
    BASE = "base", "Registered model"
    FULL = "full", "Full weights"
    ADAPTER = "adapter", "LoRA adapter"
    REWARD = "reward", "Reward model"


class Policy(models.Model):
    """A model that answers prompts or (a reward model) scores answers; its identity is the digest of its files."""

    name = models.CharField(max_length=160)
    kind = models.CharField(max_length=16, choices=PolicyKind.choices)
    method = models.CharField(
        max_length=32, blank=True, help_text="Method of the run that made it; empty for a registered model."
    )
    # A folder below ALIGNAPP_HOME (relative), a folder elsewhere (absolute), or the name of a model on a hub.
    location = models.CharField(max_length=500)
    digest = models.CharField(max_length=64, db_index=True)
    served_name = models.CharField(max_length=120, unique=True, help_text="Immutable name under which vLLM serves it.")
    base = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="descendants")
    run = models.OneToOneField("training.Run", null=True, blank=True, on_delete=models.PROTECT, related_name="policy")
    lora_rank = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("policy", args=[self.pk])

    @property
    def root(self) -> Policy:
        """The whole model beneath: the base of an adapter (its engine serves both) or a reward model; else itself."""
        if self.kind not in {PolicyKind.ADAPTER, PolicyKind.REWARD}:
            return self
        if self.base is None:
            raise ValueError(f"{self.get_kind_display().lower()} {self.served_name} has no base")
        return self.base

    @property
    def answers(self) -> bool:
        """Whether it can be asked anything: a reward model only scores, and a bare architecture knows nothing yet."""
        return self.kind not in {PolicyKind.REWARD, PolicyKind.UNTRAINED}

    @property
    def path(self) -> str:
        """Folder of the files, or the hub name when the location is not a folder."""
        inside = Path(settings.HOME) / self.location
        return str(inside) if inside.is_dir() else self.location
