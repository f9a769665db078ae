"""Datasets, their sealed versions, and the imports that make them."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.urls import reverse


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Datasets by what is in them."""

    def with_versions(self) -> DatasetQuerySet:
        """Without the names that failed imports left behind, or that a first import is still filling."""
        return self.filter(models.Exists(DatasetVersion.objects.filter(dataset=models.OuterRef("pk"))))


class Dataset(models.Model):
    """A named line of sealed versions."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class DatasetVersion(models.Model):
    """An immutable set of rows, identified by the SHA-256 of its Parquet file."""

    class Kind(models.TextChoices):
        PREFERENCES = "preferences", "Preference pairs"
        DEMONSTRATIONS = "demonstrations", "Demonstrations"

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=16, choices=Kind.choices)
    sha256 = models.CharField(max_length=64, db_index=True)
    size_bytes = models.BigIntegerField()
    rows = models.PositiveIntegerField()
    train_rows = models.PositiveIntegerField()
    held_out_rows = models.PositiveIntegerField()
    # Where the rows came from, for the page: {"kind": "upload", "filename": …} or {"kind": "study", "slug": …, …}.
    origin = models.JSONField(default=dict)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("dataset", "-number")
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="one_number_per_dataset")]

    def __str__(self) -> str:
        return f"{self.dataset.name} v{self.number}"

    def get_absolute_url(self) -> str:
        return reverse("dataset-version", args=[self.dataset.slug, self.number])

    @property
    def path(self) -> Path:
        """The sealed Parquet file."""
        return Path(settings.HOME) / "datasets" / f"{self.sha256}.parquet"


class ImportState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class ImportJob(models.Model):
    """One uploaded file on its way to a sealed version: queued -> running -> succeeded | failed | cancelled."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="imports")
    filename = models.CharField(max_length=255)
    upload = models.CharField(max_length=500, help_text="Path of the uploaded file below ALIGNAPP_HOME.")
    held_out_share = models.FloatField(default=0.1)
    state = models.CharField(max_length=16, choices=ImportState.choices, default=ImportState.QUEUED, db_index=True)
    cancel_requested = models.BooleanField(default=False)
    bytes_total = models.BigIntegerField(default=0)
    bytes_read = models.BigIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    version = models.OneToOneField(
        DatasetVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="import_job"
    )
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"import of {self.filename}"

    def get_absolute_url(self) -> str:
        return reverse("dataset-import", args=[self.pk])

    @property
    def rejects_path(self) -> Path:
        """JSONL of the rows that could not be used: line, reason, text."""
        return Path(settings.HOME) / "rejects" / f"{self.pk}.jsonl"
