"""The stored picture of a map made ready for its page: paths and labels of an SVG, shares of every topic.

The SVG's box is SIDE by SIDE. All prompts of a topic and a side are one path of empty strokes, which a round or a
square cap turns into dots: a tenth of the bytes that an element per dot would take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from training.preferences.coverage.layout import SIDE
from training.preferences.intervals import wilson

LABELS = 10
MAJOR_LABELS = 4
"""Labels that a narrow screen has room for."""
LABEL_CHARACTERS = 22
# Of a label, in units of the box where the map is about 600 pixels wide.
LETTER_WIDTH, LINE_HEIGHT = 14, 40


@dataclass(frozen=True, slots=True)
class Share:
    """Prompts of a topic out of all of one side, in percent with a 95 % interval."""

    count: int
    percent: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A topic: its stored values, its shares and its paths (empty where no prompt of it is in the picture)."""

    topic: Mapping[str, Any]
    name: str
    data: Share
    target: Share | None
    data_path: str
    target_path: str

    @property
    def hit_path(self) -> str:
        """What can be clicked: all of its dots."""
        return self.data_path + self.target_path


@dataclass(frozen=True, slots=True)
class Label:
    """A topic's name in the picture, centred at x, y."""

    x: int
    y: int
    text: str
    number: int
    major: bool


@dataclass(frozen=True, slots=True)
class Sketch:
    """Topics in the order of the table, and the labels there is room for."""

    topics: list[Shown]
    labels: list[Label]

    @property
    def missed(self) -> list[Shown]:
        """Topics that the target has and the data hardly."""
        return [shown for shown in self.topics if shown.topic["uncovered"]]

    def topic(self, number: str) -> Shown | None:
        """The topic of this number, as an address names it."""
        return next((shown for shown in self.topics if str(shown.topic["number"]) == number), None)


def sketch(picture: Mapping[str, Any]) -> Sketch:
    """The page's view of a finding's picture."""
    dots: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for x, y, number, side in picture["points"]:
        dots.setdefault((number, side), []).append((x, SIDE - y))
    topics = [_shown(topic, picture, dots) for topic in picture["topics"]]
    return Sketch(topics, _labels(topics, dots))


def _shown(topic: Mapping[str, Any], picture: Mapping[str, Any], dots: Mapping[Any, Any]) -> Shown:
    number, all_target = topic["number"], picture["target_prompts"]
    return Shown(
        topic=topic,
        name=", ".join(topic["words"][:3]) or f"topic {number + 1}",
        data=_share(topic["data"], picture["prompts"]),
        target=_share(topic["target"], all_target) if all_target else None,
        data_path=_path(dots.get((number, 0), ())),
        target_path=_path(dots.get((number, 1), ())),
    )


def _share(count: int, total: int) -> Share:
    low, high = wilson(count, total)
    return Share(count, 100 * count / total if total else 0.0, 100 * low, 100 * high)


def _path(dots: Sequence[tuple[int, int]]) -> str:
    return "".join(f"M{x} {y}h0" for x, y in dots)


def _labels(topics: Sequence[Shown], dots: Mapping[tuple[int, int], list[tuple[int, int]]]) -> list[Label]:
    """Uncovered topics first, then the largest; one that would lie over another is left out."""
    order = sorted(topics, key=lambda shown: (not shown.topic["uncovered"], -shown.data.percent - _percent(shown)))
    placed: list[Label] = []
    for shown in order:
        number = shown.topic["number"]
        own = [*dots.get((number, 0), ()), *dots.get((number, 1), ())]
        if own and len(placed) < LABELS:
            label = _label(shown, own, major=len(placed) < MAJOR_LABELS)
            if all(_apart(label, other) for other in placed):
                placed.append(label)
    return placed


def _percent(shown: Shown) -> float:
    return shown.target.percent if shown.target else 0.0


def _label(shown: Shown, own: Sequence[tuple[int, int]], *, major: bool) -> Label:
    text = ", ".join(shown.topic["words"][:2]) or shown.name
    text = text if len(text) <= LABEL_CHARACTERS else f"{text[: LABEL_CHARACTERS - 1]}…"
    half = len(text) * LETTER_WIDTH // 2
    x = min(max(round(median(x for x, _ in own)), half), SIDE - half)
    y = min(max(round(median(y for _, y in own)), LINE_HEIGHT), SIDE - LINE_HEIGHT)
    return Label(x, y, text, shown.topic["number"], major)


def _apart(one: Label, other: Label) -> bool:
    reach = (len(one.text) + len(other.text)) * LETTER_WIDTH / 2
    return abs(one.x - other.x) > reach or abs(one.y - other.y) > LINE_HEIGHT
