"""How raters of a study are asked; one typed object, stored with the study and shared by form, assignment and pages."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

LEAST_UNIFORM = 0.3
"""Informed drawing distorts what was never looked at again, so a part of all draws ignores what is known so far."""


class Selection(StrEnum):
    """How the pairs of policies that get an item are drawn."""

    BALANCED = "balanced"
    UNIFORM = "uniform"
    INFORMED = "informed"

    @property
    def label(self) -> str:
        return SELECTION_LABELS[self]


SELECTION_LABELS = {
    Selection.BALANCED: "Balanced: every pair of policies as often",
    Selection.UNIFORM: "Uniform: drawn by chance",
    Selection.INFORMED: "By expected information: pairs that are hardest to tell apart come more often",
}


class Design(BaseModel):
    """Choices made before the first judgement. Shares are of what a rater sees; times as their names say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    selection: Selection = Selection.BALANCED
    uniform_share: float = Field(default=LEAST_UNIFORM, ge=LEAST_UNIFORM, le=1)
    ties: bool = True
    both_bad: bool = True
    strength: bool = False
    reasons: bool = True
    minimum_seconds: int = Field(default=0, ge=0, le=600)
    sitting_minutes: int = Field(default=0, ge=0, le=480)  # 0: no limit
    training_share_right: float = Field(default=0.0, ge=0, le=1)  # of the training items, before live items come
    check_share: float = Field(default=0.0, ge=0, le=0.3)  # gold and attention items
    repeat_share: float = Field(default=0.0, ge=0, le=0.2)  # own items again, sides swapped
    show_gold_agreement: bool = False
    own_runs: bool = False  # whether people may judge answers of runs that they launched
    stop_width: float | None = Field(default=None, gt=0, le=1)  # of the widest interval of a pair's win rate
    hourly_pay: float = Field(default=0.0, ge=0)

    @property
    def extra_share(self) -> float:
        """What checks and repeats add to the comparisons that a rater sees."""
        return (self.check_share + self.repeat_share) / (1 - self.check_share - self.repeat_share)
