"""What is known beforehand about an item, kept apart from it."""

from __future__ import annotations

from django.db import models

from .ratings import Choice
from .studies import Item


class Verdict(models.TextChoices):
    """What can be said of an item whatever the sides."""

    FIRST = "first", "The first answer is better"
    SECOND = "second", "The second answer is better"
    TIE = "tie", "Tie"
    BOTH_BAD = "both_bad", "Both bad"

    @classmethod
    def of(cls, choice: str, first_is_a: bool) -> Verdict | None:
        """What a choice says of the item when its first answer stood on side A or not; None for a skip."""
        if choice in {Choice.A, Choice.B}:
            return cls.FIRST if (choice == Choice.A) == first_is_a else cls.SECOND
        return cls(choice) if choice in cls.values else None


class ExpectedJudgement(models.Model):
    """The right judgements of a training, gold or attention item, and why."""

    item = models.OneToOneField(Item, on_delete=models.CASCADE, related_name="expected")
    accepts = models.JSONField(help_text="Verdicts that are right: some of first, second, tie, both_bad.")
    explanation = models.TextField(blank=True, help_text="Shown after a training item.")

    def __str__(self) -> str:
        return f"{self.item}: {', '.join(self.accepts)}"
