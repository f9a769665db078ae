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
    # The steps that made it from its parent (training.preferences.cleaning.recipes.Recipe); empty otherwise.
    recipe = models.JSONField(default=dict, blank=True)
    # What its report is asked to look at (training.preferences.survey.ReportSettings), and how far it has come.
    report_settings = models.JSONField(default=dict, blank=True)
    report_stage = models.CharField(max_length=120, blank=True)
    report_error = models.TextField(blank=True)
    report_heartbeat_at = models.DateTimeField(null=True, blank=True)
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


class ImportSource(models.TextChoices):
    UPLOAD = "upload", "Uploaded file"
    PLACE = "place", "File or folder on this machine"
    HUB = "hub", "Data set on a hub"


class ImportState(models.TextChoices):
    DRAFT = "draft", "To be confirmed"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class ImportJob(models.Model):
    """One source on its way to a sealed version: draft -> queued -> running -> succeeded | failed | cancelled."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="imports")
    filename = models.CharField(max_length=255)
    upload = models.CharField(max_length=500, help_text="Path of the uploaded file below ALIGNAPP_HOME.")
    source = models.CharField(max_length=16, choices=ImportSource.choices, default=ImportSource.UPLOAD)
    # How rows become pairs, as confirmed (training.preferences.formats.Mapping); empty: recognised when read.
    mapping = models.JSONField(default=dict, blank=True)
    held_out_share = models.FloatField(default=0.1)
    state = models.CharField(max_length=16, choices=ImportState.choices, default=ImportState.QUEUED, db_index=True)
    cancel_requested = models.BooleanField(default=False)
    bytes_total = models.BigIntegerField(default=0)
    bytes_read = models.BigIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0, help_text="Rows of the source that gave pairs.")
    rejected = models.PositiveIntegerField(default=0, help_text="Rows of the source that gave none.")
    pairs = models.PositiveIntegerField(default=0, help_text="Pairs made; some formats give several a row.")
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


class PairTag(models.Model):
    """A word that somebody put on a row of a version."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="pair_tags")
    row = models.PositiveBigIntegerField()
    tag = models.CharField(max_length=40)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("tag", "row")
        constraints = [models.UniqueConstraint(fields=["version", "row", "tag"], name="a_tag_once_per_pair")]

    def __str__(self) -> str:
        return f"{self.tag} on row {self.row}"


class SavedRecipe(models.Model):
    """Cleaning steps under a name, to be applied to other versions."""

    name = models.CharField(max_length=120, unique=True)
    steps = models.JSONField(help_text="training.preferences.cleaning.recipes.Recipe")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class PromptSample(models.Model):
    """Prompts as they come in production: what a dataset should cover. Stored in `samples/<sha256>.jsonl`."""

    name = models.CharField(max_length=120)
    sha256 = models.CharField(max_length=64, db_index=True)
    prompts = models.PositiveIntegerField()
    rejected = models.PositiveIntegerField(default=0, help_text="Lines that gave no prompt.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("name", "-created_at")

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        """One prompt a line: {"prompt": [{role, content}, …]}."""
        return Path(settings.HOME) / "samples" / f"{self.sha256}.jsonl"
