"""Cleaning recipes: ordered steps, each an action on some rows of a version.

Rows are named by rule and score (`filters.Filter`, `Highest`), so that a saved recipe means the same on another
version; only a recipe that is not saved may name row numbers.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from training.config.base import Fraction, Frozen, Positive
from training.preferences.filters import Filter

Label = Annotated[float, Field(gt=0, le=1)]
STEPS_AT_MOST = 20
# A recipe travels in addresses, of which servers take some four thousand characters.
TOKEN_AT_MOST = 3_000
TEXT_AT_MOST = 64 * 1024


class BadRecipe(ValueError):
    """A recipe that cannot be read or applied; the message is a sentence for people."""


class Highest(Frozen):
    """Of the rows that a step is about, the `count` highest by a score; rows without the score are left out."""

    score: str
    count: int = Field(ge=1)


class StepBase(Frozen):
    """What every step says: the rows it is about."""

    rows: Filter = Filter()
    highest: Highest | None = None

    @property
    def uses_report(self) -> bool:
        """Whether the step means something only beside a report: its findings, groups or scores."""
        chosen = self.rows
        named = chosen.finding or chosen.bounds or chosen.language or chosen.cluster is not None
        return bool(named or self.highest)


class Drop(StepBase):
    """Leave the rows out."""

    action: Literal["drop"] = "drop"


class Flip(StepBase):
    """Make the rejected answer the chosen one; the label stays, and is then about the other answer."""

    action: Literal["flip"] = "flip"


class Soften(StepBase):
    """Say how sure the label is: a value, 1 - the row's noise score, or 1 - the mean noise score of the version."""

    action: Literal["soften"] = "soften"
    to: Literal["value", "noise", "rate"] = "value"
    value: Label = 0.8

    @property
    def uses_report(self) -> bool:
        return self.to != "value" or super().uses_report


class Weight(StepBase):
    """Set the weight, or multiply it."""

    action: Literal["weight"] = "weight"
    how: Literal["set", "multiply"] = "set"
    value: Positive = 0.5


class Merge(StepBase):
    """Of rows that say the same, keep the first. Repeats by different annotators give the mean of their labels."""

    action: Literal["merge"] = "merge"
    alike: Literal["exact", "near"] = "exact"
    weight: Literal["sum", "one"] = "sum"

    @property
    def uses_report(self) -> bool:
        return self.alike == "near" or super().uses_report


class SplitConflicts(StepBase):
    """Of rows that contradict each other, keep those that most votes are for; see cleaning.conflicts."""

    action: Literal["split_conflicts"] = "split_conflicts"
    votes: Literal["raters", "rows"] = "raters"
    """One of each annotator, or source where none is named, so that copies decide nothing; or one of every row."""
    otherwise: Literal["drop", "even"] = "drop"
    """Where votes do not decide: leave all of them out, or keep them with label 0.5."""


class Resplit(StepBase):
    """Draw train and held-out anew, a whole cluster of prompts on one side. It is about all rows."""

    action: Literal["resplit"] = "resplit"
    share: Fraction = Field(0.1, le=0.5)

    @property
    def uses_report(self) -> bool:
        return True


Step = Annotated[Drop | Flip | Soften | Weight | Merge | SplitConflicts | Resplit, Field(discriminator="action")]
AnyStep = Drop | Flip | Soften | Weight | Merge | SplitConflicts | Resplit
STEPS: dict[str, type[StepBase]] = {
    "drop": Drop,
    "flip": Flip,
    "soften": Soften,
    "weight": Weight,
    "merge": Merge,
    "split_conflicts": SplitConflicts,
    "resplit": Resplit,
}
ACTIONS = {
    "drop": "Drop",
    "flip": "Flip",
    "soften": "Soften the label",
    "weight": "Weight",
    "merge": "Merge duplicates",
    "split_conflicts": "Decide conflicts",
    "resplit": "Split anew by cluster",
}


class Recipe(Frozen):
    """Steps in order. `report` is the key of the report by which findings and scores were meant (report.Place)."""

    steps: tuple[Step, ...] = Field((), max_length=STEPS_AT_MOST)
    report: str = ""

    def __iter__(self) -> Iterator[AnyStep]:  # type: ignore[override]
        return iter(self.steps)

    @property
    def uses_report(self) -> bool:
        return any(step.uses_report for step in self.steps)

    @property
    def uses_tags(self) -> bool:
        """Whether its rows depend on tags, of which people put more on a version."""
        return any(step.rows.tag for step in self.steps)

    @property
    def names_rows(self) -> bool:
        """Whether it holds row numbers, which mean nothing on another version."""
        return any(step.rows.rows or step.rows.group is not None for step in self.steps)

    def meant_by(self, key: str) -> Recipe:
        """The recipe as it is stored with what it made: with the report's key where that matters."""
        return self.model_copy(update={"report": key if self.uses_report else ""})

    def stored(self) -> dict[str, Any]:
        """As JSON, without what stands at its default: equal recipes are equal here."""
        steps = [{"action": step.action, **step.model_dump(mode="json", exclude_defaults=True)} for step in self.steps]
        return {"steps": steps} | ({"report": self.report} if self.report else {})

    def token(self) -> str:
        """The steps in few characters of an address; raises BadRecipe when they are too many."""
        text = json.dumps(Recipe(steps=self.steps).stored())
        token = base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")
        if len(token) > TOKEN_AT_MOST:
            raise BadRecipe("The recipe is too long for one page. Apply what there is, then clean the new version.")
        return token


def read_token(token: str) -> Recipe:
    """The recipe of an address; raises BadRecipe."""
    try:
        packed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        text = zlib.decompressobj().decompress(packed, TEXT_AT_MOST)
        return Recipe.model_validate_json(text)
    except (ValueError, binascii.Error, zlib.error) as error:
        raise BadRecipe("The address holds no recipe that can be read. Begin again from the version's page.") from error


def read_stored(values: Any) -> Recipe:
    """A recipe that was stored; raises BadRecipe for one of another form."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise BadRecipe("The stored recipe has a form that this version of alignapp cannot read.") from error
