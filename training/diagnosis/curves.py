"""Series of metrics as rules look at them: the last value, the rise, how long something has held."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Series = Mapping[str, tuple[Sequence[int], Sequence[float]]]
"""Steps, rising, and values of every metric by its name."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The values of one metric in the order of their steps; false where there are none."""

    steps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def first(self) -> float:
        return self.values[0]

    @property
    def last(self) -> float:
        return self.values[-1]

    @property
    def trained(self) -> Curve:
        """Without the look before training, which says nothing of what was learnt."""
        return Curve(self.steps[1:], self.values[1:]) if self.steps[:1] == (0,) else self

    def beyond(self, step: int) -> Curve:
        """The values from `step` on."""
        begin = sum(at < step for at in self.steps)
        return Curve(self.steps[begin:], self.values[begin:])

    def lasting(self, holds: Callable[[float], bool], looks: int = 2) -> int | None:
        """The step since which `holds` has been true without a break; None unless it was on the last `looks` values.

        One value proves little: a share of 256 pairs has a standard error of up to 3 points.
        """
        begin = len(self.values)
        while begin > 0 and holds(self.values[begin - 1]):
            begin -= 1
        return self.steps[begin] if len(self.values) - begin >= looks else None

    def best(self, *, low: bool = False) -> int:
        """Index of the highest (or lowest) value, the earliest of equals."""
        return self.values.index(min(self.values) if low else max(self.values))

    def at(self, step: int) -> float:
        """The value at `step`, or the last one before it, or else the first."""
        before = [value for at, value in zip(self.steps, self.values, strict=True) if at <= step]
        return before[-1] if before else self.values[0]

    def recent(self, since: int) -> float:
        """Mean of the values after step `since`, which smooths what is measured on one batch; the last without any."""
        after = [value for at, value in zip(self.steps, self.values, strict=True) if at > since]
        return sum(after) / len(after) if after else self.last


class Curves:
    """The curves of a run by the name of their metric; a metric that was never measured is an empty curve."""

    def __init__(self, series: Series) -> None:
        self._series = series

    def __getitem__(self, name: str) -> Curve:
        steps, values = self._series.get(name, ((), ()))
        return Curve(tuple(steps), tuple(values))

    def first_of(self, *names: str) -> Curve:
        """The first of these that was measured."""
        return next((curve for name in names if (curve := self[name])), Curve())
