"""Which rows of a version: what the browser of pairs, its address and a step of a cleaning recipe have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from training.config.base import Frozen

# No text of a row or tag holds NUL, and no database takes one: what is asked for with it is found nowhere.
Words = Annotated[str, AfterValidator(lambda text: text.replace("\0", "\N{REPLACEMENT CHARACTER}"))]
# What arrays of the index can be compared with, and more than any version has.
Number = Annotated[int, Field(gt=-(2**53), lt=2**53)]


class Bounds(Frozen):
    """Rows whose score (a column of the file of scores, or of measures) lies within [low, high]; None is open."""

    score: Words
    low: float | None = None
    high: float | None = None


class Filter(Frozen):
    """Rows that meet every condition; an empty value is no condition."""

    text: Words = ""
    """Words that occur in prompt or answers, all of them; "quoted words" as a phrase."""
    split: Literal["", "train", "held_out"] = ""
    finding: Words = ""
    """Rows that a rule of the report found."""
    group: Number | None = None
    """Of those, one group (copies of each other, a cycle)."""
    bounds: tuple[Bounds, ...] = ()
    tag: Words = ""
    """Rows with this tag, of the source or put on later."""
    annotator: Words = ""
    source: Words = ""
    language: Words = ""
    cluster: Number | None = None
    rows: tuple[Number, ...] = ()
    """Exactly these rows, of those that meet the rest."""
