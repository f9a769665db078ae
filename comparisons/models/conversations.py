"""What raters write to make policies fail, turn by turn."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from .ratings import new_token
from .studies import Answer, Contender, Item, Prompt, Study


class Conversation(models.Model):
    """One attempt of one writer against two contenders that are drawn for it and hidden from them."""

    token = models.CharField(max_length=32, unique=True, default=new_token)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="conversations")
    writer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="conversations")
    one = models.ForeignKey(Contender, on_delete=models.PROTECT, related_name="+")
    other = models.ForeignKey(Contender, on_delete=models.PROTECT, related_name="+")
    propensity = models.FloatField(help_text="Chance with which this pair of policies was drawn.")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.token


class TurnState(models.TextChoices):
    WAITING = "waiting", "Waiting for answers"
    ANSWERED = "answered", "Answered"
    WITHHELD = "withheld", "Answers withheld"


class Turn(models.Model):
    """What the writer wrote, with everything said before as its prompt, and the item its two answers became.

    waiting ──both answers stored──> answered (item) ──judged──> the next turn goes on from `kept`
       └──refused, empty, or they tell who wrote them──> withheld (reason)
    """

    conversation = models.ForeignKey(Conversation, on_delete=models.PROTECT, related_name="turns")
    number = models.PositiveIntegerField(help_text="From 1.")
    text = models.TextField()
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="turns")
    state = models.CharField(max_length=16, choices=TurnState.choices, default=TurnState.WAITING, db_index=True)
    item = models.OneToOneField(Item, null=True, blank=True, on_delete=models.PROTECT, related_name="turn")
    kept = models.ForeignKey(
        Answer,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="What is replied to next.",
    )
    reason = models.CharField(max_length=200, blank=True, help_text="Why the answers are withheld.")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("conversation", "number")
        constraints = [models.UniqueConstraint(fields=["conversation", "number"], name="one_turn_per_number")]

    def __str__(self) -> str:
        return f"turn {self.number} of {self.conversation}"
