"""Who was shown what, and what they judged. Judgements are only ever added."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.utils import timezone

from .append_only import AppendOnlyModel, AppendOnlyQuerySet
from .studies import Answer, Guideline, Item, ItemKind


def new_token() -> str:
    """A random name for an assignment: it says nothing about item, study or policy."""
    return secrets.token_urlsafe(16)


class AssignmentState(models.TextChoices):
    OPEN = "open", "Open"
    DONE = "done", "Judged"
    SKIPPED = "skipped", "Skipped"
    EXPIRED = "expired", "Expired"
    LATE = "late", "Judged too late to count"


# What takes one of an item's places; an item has `ratings_per_item` of them.
HELD = (AssignmentState.OPEN, AssignmentState.DONE)


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    """Named reads of assignments."""

    def judged_comparisons(self) -> AssignmentQuerySet:
        """Those whose judgement counts: comparisons judged in time, neither repeats nor items that were set aside."""
        seen = {"item__kind": ItemKind.COMPARISON, "item__quarantine": ""}
        return self.filter(state=AssignmentState.DONE, repeats=None, **seen)


class Assignment(models.Model):
    """One item leased to one rater, with the side of each answer drawn once.

    open ──judged──> done ──undo──> open         open, done: hold one of the item's places
      ├──skipped──> skipped ──undo──> open       skipped, expired, late: hold none
      └──lease over──> expired ──asked for or judged again, a place is free──> open, done
                          └──judged, the places are taken or the study is closed──> late

    A lease is over when its state says so, not when the clock does: until somebody writes `expired`, the place is held.
    """

    token = models.CharField(max_length=32, unique=True, default=new_token)
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="assignments")
    rater = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="assignments")
    first_is_a = models.BooleanField(help_text="Whether the item's first answer is shown as answer A, on the left.")
    state = models.CharField(max_length=16, choices=AssignmentState.choices, default=AssignmentState.OPEN)
    # An item shown again to the same person, with the sides swapped. It takes no place and counts in no result.
    repeats = models.OneToOneField("self", null=True, blank=True, on_delete=models.PROTECT, related_name="repeated_by")
    leased_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField()
    shown_at = models.DateTimeField(null=True, blank=True, help_text="Empty while it is only fetched ahead.")

    is_new = False  # in memory alone: given out a moment ago, so nobody can have judged it

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "rater"], condition=models.Q(repeats=None), name="a_rater_gets_an_item_once"
            )
        ]
        indexes = [
            models.Index(fields=["state", "lease_until"]),
            models.Index(fields=["item", "state"]),
            models.Index(fields=["rater", "state"]),
        ]

    def __str__(self) -> str:
        return self.token

    @property
    def answer_a(self) -> Answer:
        """The answer on the left."""
        return self.item.first if self.first_is_a else self.item.second

    @property
    def answer_b(self) -> Answer:
        """The answer on the right."""
        return self.item.second if self.first_is_a else self.item.first


class Choice(models.TextChoices):
    A = "a", "A is better"
    B = "b", "B is better"
    TIE = "tie", "Tie"
    BOTH_BAD = "both_bad", "Both bad"
    SKIP = "skip", "Skipped"
    WITHDRAWN = "withdrawn", "Withdrawn"


class RatingQuerySet(AppendOnlyQuerySet["Rating"]):
    """Named reads of judgements."""

    def standing(self) -> RatingQuerySet:
        """Judgements that nothing supersedes and that were not withdrawn; skips are among them."""
        return self.filter(superseded_by__isnull=True).exclude(choice=Choice.WITHDRAWN)

    def counted(self) -> RatingQuerySet:
        """Standing judgements of comparisons that count in results and exports.

        Neither skips nor judgements that came too late, no training, no checks, no repeats.
        """
        return self.judged().filter(assignment__item__kind=ItemKind.COMPARISON, assignment__repeats=None)

    def judged(self) -> RatingQuerySet:
        """Standing judgements that came in time, of any item that was not set aside; skips left out."""
        return self.standing().filter(assignment__state=AssignmentState.DONE, assignment__item__quarantine="")

    def work(self) -> RatingQuerySet:
        """Everything that took time: checks, repeats, training, skips, late judgements, and what was taken back."""
        return self.exclude(choice=Choice.WITHDRAWN)


class Rating(AppendOnlyModel):
    """A judgement, never changed or deleted: undo adds a withdrawal that supersedes it."""

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="ratings")
    revision = models.PositiveIntegerField(help_text="Counts the judgements of this assignment, from 1.")
    supersedes = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="superseded_by"
    )
    choice = models.CharField(max_length=16, choices=Choice.choices)
    strength = models.PositiveSmallIntegerField(
        default=0, help_text="How much better: 1 slightly, 2 clearly, 3 by far; 0 where nobody asked."
    )
    reasons = models.JSONField(default=list, help_text="Ticked reasons, e.g. correct, complete, clear.")
    note = models.TextField(blank=True)
    guideline = models.ForeignKey(
        Guideline, null=True, blank=True, on_delete=models.PROTECT, help_text="What the rater was told at the time."
    )
    seconds = models.FloatField(help_text="From showing the item to the judgement.")
    reading = models.JSONField(default=dict, help_text="What the page saw: {scrolled, hidden_seconds}.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = RatingQuerySet.as_manager()

    class Meta:
        # A form names the revision it makes, so that sending it twice makes one judgement.
        constraints = [models.UniqueConstraint(fields=["assignment", "revision"], name="one_rating_per_revision")]

    def __str__(self) -> str:
        return f"{self.assignment}: {self.choice}"


class GuidelineReading(models.Model):
    """Somebody was shown a version of a guideline and said so; judgements are pinned to the latest that was read."""

    guideline = models.ForeignKey(Guideline, on_delete=models.CASCADE, related_name="readings")
    rater = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="guideline_readings")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rater", "guideline"], name="a_guideline_read_once")]

    def __str__(self) -> str:
        return f"{self.rater} read {self.guideline}"
