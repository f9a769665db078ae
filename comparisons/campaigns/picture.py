"""The gains of a campaign as coordinates for server-rendered SVG: a mark with its interval per policy and round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from comparisons.statistics.shares import percent

from .gains import Gain

WIDTH, HEIGHT = 320, 160
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 8, 20
SPREAD = 0.5
"""Share of a round's width over which its marks are spread."""
RADIUS = 3.5
# Corners of a method's mark, from its middle, in radii; the marks of static/css/tokens.css, and a disc for the others.
CORNERS = {
    "cpo": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "rlhf": ((0, -1.2), (1.2, 1), (-1.2, 1)),
    "contrastive_cpo": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    "simpo": ((0, -1.2), (1.2, -0.3), (0.7, 1.1), (-0.7, 1.1), (-1.2, -0.3)),
}
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A win rate with the ends of its interval, in the colour of its method."""

    x: float
    y: float
    low: float
    high: float
    method: str
    text: str

    @property
    def corners(self) -> str:
        """Of a polygon; empty for a disc."""
        shape = CORNERS.get(self.method, ())
        return " ".join(f"{self.x + RADIUS * x:.1f},{self.y + RADIUS * y:.1f}" for x, y in shape)


@dataclass(frozen=True, slots=True)
class Picture:
    """Ticks of both axes, marks, and the height of one half, where two policies are equally good."""

    x_ticks: list[Tick]
    y_ticks: list[Tick]
    marks: list[Mark]
    half: float


def picture(rounds: Sequence[tuple[int, Sequence[Gain]]]) -> Picture:
    """The rounds' numbers and gains, in the order of the rounds."""
    width = (WIDTH - LEFT - RIGHT) / max(1, len(rounds))
    middles = [LEFT + (place + 0.5) * width for place in range(len(rounds))]
    return Picture(
        [Tick(round(middle, 1), str(number)) for middle, (number, _) in zip(middles, rounds, strict=True)],
        [Tick(_y(value), f"{100 * value:.0f}") for value in TICKS],
        [
            _mark(number, gain, round(middle + _aside(place, len(gains)) * width, 1))
            for middle, (number, gains) in zip(middles, rounds, strict=True)
            for place, gain in enumerate(gains)
        ],
        _y(0.5),
    )


def _mark(number: int, gain: Gain, x: float) -> Mark:
    text = (
        f"Round {number}: {gain.policy.name} preferred to {gain.opponent.name} in {percent(gain.rate)} "
        f"[{100 * gain.low:.0f}, {100 * gain.high:.0f}] of {gain.votes:,} votes"
    )
    return Mark(x, _y(gain.rate), _y(gain.low), _y(gain.high), gain.policy.method or "base", text)


def _aside(place: int, count: int) -> float:
    """How far from the middle of its round a mark stands, in widths of a round."""
    return SPREAD * ((place + 0.5) / count - 0.5)


def _y(value: float) -> float:
    return round(HEIGHT - BOTTOM - value * (HEIGHT - BOTTOM - TOP), 1)
