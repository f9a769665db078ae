"""Rounds of data, runs, study and data again."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse

from training.models import DatasetVersion, Policy, Run

from .studies import Study, Suite


class Campaign(models.Model):
    """A standing comparison: the same base, methods and suites, round after round."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    base = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="campaigns")
    # What every round launches: [{"method", "config"}], the method's own settings under dotted names, without a budget.
    launches = models.JSONField(default=list)
    # What each of them gets: training.launching.budgets.Budget.
    budget = models.JSONField(default=dict)
    # How every round is rated: the arguments of create_study beside name, suites, policies and user; pools by id.
    rating = models.JSONField(default=dict)
    # How judgements became pairs the last time: comparisons.export.Rule.
    rule = models.JSONField(default=dict)
    suites = models.ManyToManyField(Suite, related_name="campaigns")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("campaign", args=[self.slug])


class Round(models.Model):
    """data ──launch──> runs ──all succeeded──> study ──closed, sealed──> produced, the data of the next round."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="rounds")
    number = models.PositiveIntegerField(help_text="From 1.")
    data = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="rounds")
    runs = models.ManyToManyField(Run, related_name="rounds")
    study = models.OneToOneField(Study, null=True, blank=True, on_delete=models.SET_NULL, related_name="round")
    produced = models.ForeignKey(
        DatasetVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="produced_by_rounds"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("campaign", "number")
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="one_round_per_number")]

    def __str__(self) -> str:
        return f"{self.campaign}, round {self.number}"

    @property
    def previous(self) -> Round | None:
        return Round.objects.filter(campaign=self.campaign_id, number=self.number - 1).first()
