"""Which rows of a version: what the browser of pairs, its address and a step of a cleaning recipe have in common."""

from __future__ import annotations

from typing import Literal

from training.config.base import Frozen

Sort = Literal["row", "score"]


class Bounds(Frozen):
    """Rows whose score (a column of the file of scores, or of measures) lies within [low, high]; None is open."""

    score: str
    low: float | None = None
    high: float | None = None


class Filter(Frozen):
    """Rows that meet every condition; an empty value is no condition."""

    text: str = ""
    """Words that occur in prompt or answers, all of them; "quoted words" as a phrase."""
    split: Literal["", "train", "held_out"] = ""
    finding: str = ""
    """Rows that a rule of the report found."""
    group: int | None = None
    """Of those, one group (copies of each other, a cycle)."""
    bounds: tuple[Bounds, ...] = ()
    tag: str = ""
    """Rows with this tag, of the source or put on later."""
    annotator: str = ""
    source: str = ""
    language: str = ""
    cluster: int | None = None
    rows: tuple[int, ...] = ()
    """Exactly these rows, of those that meet the rest."""
