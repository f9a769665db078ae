"""The confirmed reading of a source: its format, which column is what, and the rules that make pairs of its rows."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from training.config.base import Frozen
from training.preferences.formats.roles import GAP, ROLES, Format, Role


class Pairing(StrEnum):
    """Which pairs several rated answers give."""

    BEST_WORST = "best_worst"
    GAP = "gap"
    BEST_EACH = "best_each"

    @property
    def label(self) -> str:
        return PAIRING_LABELS[self]


PAIRING_LABELS = {
    Pairing.BEST_WORST: "The best against the worst answer",
    Pairing.BEST_EACH: "The best answer against each that is rated lower",
    Pairing.GAP: "Every two answers whose ratings are far enough apart",
}


class Ties(StrEnum):
    """What a tie between two models gives."""

    REFUSE = "refuse"
    HALF = "half"

    @property
    def label(self) -> str:
        return TIES_LABELS[self]


TIES_LABELS = {
    Ties.REFUSE: "No pair: the row is listed as not usable",
    Ties.HALF: "A pair with label 0.5: either answer may be the better one",
}


class Mapping(Frozen):
    """How rows become pairs. `columns` maps a role (roles.py) to the source's column, or to a key inside an answer."""

    format: Format = Format.PAIRS
    columns: dict[str, str] = Field(default_factory=dict)
    pairing: Pairing = Pairing.BEST_WORST
    gap: float = Field(1.0, gt=0, description="Least difference of two ratings that makes a pair (rule `gap`).")
    ties: Ties = Ties.REFUSE

    @model_validator(mode="after")
    def _roles_fit(self) -> Self:
        roles = {role.name: role for role in ROLES[self.format]}
        if unknown := [name for name in self.columns if name not in roles]:
            raise ValueError(f"{self.format.label!r} has no role {', '.join(map(repr, unknown))}")
        if any("\0" in column for column in self.columns.values()):
            raise ValueError("a column's name holds a NUL character, which no database keeps")
        taken: dict[str, str] = {}
        for name, column in self.columns.items():
            if roles[name].inside:
                continue
            if column in taken:
                labels = f"{roles[taken[column]].label!r} and {roles[name].label!r}"
                raise ValueError(f"the column {column!r} cannot be both {labels}")
            taken[column] = name
        return self

    @property
    def missing(self) -> list[Role]:
        """The roles without which no row can be read."""
        return [role for role in ROLES[self.format] if role.required and role.name not in self.columns]

    @property
    def rule(self) -> str:
        """The rule that makes pairs, or their margins, as a sentence; empty where a row says all of it already."""
        scores = [self.columns.get(role.name) for role in GAP]
        match self.format:
            case Format.PAIRS | Format.TRANSCRIPTS if all(scores):
                return f"Margin: {scores[0]} - {scores[1]}, where there is no other and that is not below 0."
            case Format.RATED if self.pairing is Pairing.GAP:
                return f"{self.pairing.label}: {self.gap:g} or more."
            case Format.RATED:
                return f"{self.pairing.label}."
            case Format.BATTLES:
                return f"Ties: {self.ties.label[0].lower()}{self.ties.label[1:]}. Both bad: no pair."
        return ""
