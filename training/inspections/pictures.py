"""Figures as coordinates for server-rendered SVG, in a box of WIDTH by HEIGHT whose y axis points down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from training.inspections.summary import BestOf, Dot, Point

WIDTH, HEIGHT = 320, 200
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 8, 20


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A point with the ends of its interval; `text` is said when it is pointed at, `series` picks the colour."""

    x: float
    y: float
    low: float
    high: float
    text: str
    series: int = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """Ticks of both axes, marks, a line through them and a reference line, as SVG coordinates."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    line: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class _Scale:
    """Data to pixels, linearly."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> tuple[Tick, ...]:
        return tuple(Tick(self(value), f"{value:g}") for value in round_values(self.low, self.high))


def round_values(low: float, high: float, most: int = 5) -> list[float]:
    """At most `most` multiples of 1, 2 or 5 times a power of ten within the range."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * power for unit in (1, 2, 5, 10) if unit * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _axes(xs: Sequence[float], ys: Sequence[float]) -> tuple[_Scale, _Scale]:
    return _Scale(*_padded(xs), LEFT, WIDTH - RIGHT), _Scale(*_padded(ys), HEIGHT - BOTTOM, TOP)


def _padded(values: Sequence[float]) -> tuple[float, float]:
    """The range with a little room, never empty."""
    low, high = min(values), max(values)
    room = 0.04 * (high - low) or 0.5
    return low - room, high + room


def reliability(curve: Sequence[Point]) -> Picture:
    """Accuracy against confidence, both from 50 % (or the worst interval) to 100 %; the diagonal is perfect."""
    lowest = min(0.5, *(point.low for point in curve))
    x, y = _Scale(0.5, 1.0, LEFT, WIDTH - RIGHT), _Scale(lowest, 1.0, HEIGHT - BOTTOM, TOP)
    marks = tuple(
        Mark(
            x(p.confidence),
            y(p.accuracy),
            y(p.low),
            y(p.high),
            f"{p.count} pairs: sure by {p.confidence:.0%}, right in {p.accuracy:.0%} [{p.low:.0%}, {p.high:.0%}]",
        )
        for p in curve
    )
    reference = f"{x(0.5)},{y(0.5)} {x(1.0)},{y(1.0)}"
    return Picture(_percent(x.ticks(), x), _percent(y.ticks(), y), marks, reference=reference)


def _percent(ticks: tuple[Tick, ...], scale: _Scale) -> tuple[Tick, ...]:
    return tuple(Tick(tick.at, f"{float(tick.text):.0%}") for tick in ticks)


def score_against_length(dots: Sequence[Dot]) -> Picture:
    """Every answer: chosen ones in the first colour, rejected ones in the second."""
    x, y = _axes([dot.tokens for dot in dots], [dot.score for dot in dots])
    marks = tuple(
        Mark(
            x(dot.tokens),
            y(dot.score),
            y(dot.score),
            y(dot.score),
            f"row {dot.row}, {'chosen' if dot.chosen else 'rejected'}: {dot.tokens} tokens, {dot.score:.2f}",
            1 if dot.chosen else 2,
        )
        for dot in dots
    )
    return Picture(x.ticks(), y.ticks(), marks)


def best_of(curve: Sequence[BestOf]) -> Picture:
    """Expected score against n, on an axis that doubles."""
    x, y = _axes([math.log2(b.n) for b in curve], [end for b in curve for end in (b.low, b.high)])
    marks = tuple(
        Mark(
            x(math.log2(b.n)),
            y(b.score),
            y(b.low),
            y(b.high),
            f"best of {b.n}: {b.score:.2f} [{b.low:.2f}, {b.high:.2f}], {b.kl:.2f} nats from the base",
        )
        for b in curve
    )
    ticks = tuple(Tick(x(math.log2(b.n)), str(b.n)) for b in curve)
    return Picture(ticks, y.ticks(), marks, line=" ".join(f"{mark.x},{mark.y}" for mark in marks))
