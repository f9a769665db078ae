"""How raters of a study are asked; one typed object, stored with the study and shared by form, assignment and pages."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from comparisons.statistics.exclusion import ExclusionRule

LEAST_UNIFORM = 0.3
"""Informed drawing distorts what was never looked at again, so a part of all draws ignores what is known so far."""

REPEAT_DISTANCE = 10
"""An item comes again, with the sides swapped, after at least so many others."""

MOST_ATTENTION = 200
"""Attention checks of a study: nobody sees more, and each needs two answers."""


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
    Selection.INFORMED: "By expected information: pairs of which a vote tells most come more often",
}


class CutOff(StrEnum):
    """What becomes of pairs with an answer that the limit of tokens cut off."""

    ANY = "any"
    UNLIKE = "unlike"
    SHOW = "show"

    @property
    def label(self) -> str:
        return CUT_OFF_LABELS[self]


CUT_OFF_LABELS = {
    CutOff.ANY: "Set the pair aside",
    CutOff.UNLIKE: "Set the pair aside unless both are cut off",
    CutOff.SHOW: "Show the pair all the same",
}


class Design(BaseModel):
    """Choices made before the first judgement. Shares are of what a rater sees; times as their names say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    selection: Selection = Selection.BALANCED
    uniform_share: float = Field(default=LEAST_UNIFORM, ge=LEAST_UNIFORM, le=1)
    cut_off: CutOff = CutOff.ANY
    ties: bool = True
    both_bad: bool = True
    strength: bool = False
    reasons: bool = True
    minimum_seconds: int = Field(default=0, ge=0, le=600)
    sitting_minutes: int = Field(default=0, ge=0, le=480)  # 0: no limit
    break_optional: bool = False  # whether people may go on after that without a break
    training_share_right: float = Field(default=0.0, ge=0, le=1)  # of the training items, before live items come
    check_share: float = Field(default=0.0, ge=0, le=0.3)  # gold and attention items
    attention_items: int = Field(default=0, ge=0, le=MOST_ATTENTION)  # to be made of the study's own answers
    repeat_share: float = Field(default=0.0, ge=0, le=0.2)  # own items again, sides swapped
    show_gold_agreement: bool = False
    own_runs: bool = False  # whether people may judge answers of runs that they launched
    stop_width: float | None = Field(default=None, gt=0, le=1)  # of the widest interval of a pair's win rate
    stop_votes: int = Field(default=30, ge=10, le=100_000)  # of every pair, before the rule may stop anything
    exclusion: ExclusionRule = ExclusionRule()  # who is left out of results, written down before anybody looks
    hourly_pay: float = Field(default=0.0, ge=0)

    def extras(self, comparisons: float, checks: float) -> float:
        """Checks and repeats that a rater of so many comparisons is to expect, in a study with so many checks."""
        draws = comparisons / (1 - self.check_share - self.repeat_share)
        repeats = min(self.repeat_share * draws, max(0.0, comparisons - REPEAT_DISTANCE))
        return min(self.check_share * draws, checks) + repeats
