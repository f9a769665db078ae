"""Robustness as JSON and back: contenders by their ids, figures that are not finite as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any

from comparisons.models import Contender
from comparisons.statistics.label_noise import LabelNoise
from comparisons.statistics.strengths.estimate import Interval

from .noise import WrongLabels
from .robustness import AtEqualStyle, Effect, Robustness
from .settling import Settled

INTERVALS = ("strength", "equally_long", "move", "plain_rate", "rate")


def as_json(value: Any) -> Any:
    """Dataclasses as objects, sequences as lists."""
    if isinstance(value, Contender):
        return value.pk
    if is_dataclass(value):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (list, tuple)):
        return [as_json(one) for one in value]
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def from_json(stored: Mapping[str, Any], contenders: Mapping[int, Contender]) -> Robustness:
    """What `as_json` made of it; raises KeyError or TypeError where another version of alignapp did."""
    standings = [
        AtEqualStyle(contenders[row["contender"]], *(_interval(row[name]) for name in INTERVALS))
        for row in stored["standings"]
    ]
    effects = [Effect(row["feature"], _interval(row["value"])) for row in stored["effects"]]
    words = {name: stored[name] for name in ("carried_by", "single", "disagreements", "votes")}
    return Robustness(
        standings, effects, **words, settled=_settled(stored["settled"], contenders), wrong_labels=_wrong(stored)
    )


def _interval(stored: Mapping[str, Any]) -> Interval:
    return Interval(*(float(stored[name]) for name in ("value", "low", "high")))


def _settled(stored: Mapping[str, Any] | None, contenders: Mapping[int, Contender]) -> Settled | None:
    if stored is None:
        return None
    rows = [(contenders[contender], shares) for contender, shares in stored["rows"]]
    return Settled(**{**stored, "names": tuple(stored["names"]), "rows": rows})


def _wrong(stored: Mapping[str, Any]) -> WrongLabels | None:
    wrong = stored["wrong_labels"]
    return WrongLabels(**{way: LabelNoise(**one) if one else None for way, one in wrong.items()}) if wrong else None
