"""Shares of a whole with Wilson's interval, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .votes import Floats

Z95 = 1.959964  # the normal quantile that leaves 2.5 % above


def wilson(successes: Floats, total: Floats, z: float = Z95) -> tuple[Floats, Floats]:
    """Wilson's score interval (Wilson 1927) for shares, element by element; (0, 1) where nothing was seen.

    `total` need not be whole: it may be the number of independent votes that many dependent ones are worth.
    (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n). With ties as halves the variance of a score is at most
    p(1-p), so the interval then is a little too wide, never too narrow.
    """
    seen = np.where(total > 0, total, 1.0)
    share = successes / seen
    centre = share + z * z / (2 * seen)
    spread = z * np.sqrt(share * (1 - share) / seen + (z / (2 * seen)) ** 2)
    scale = 1 + z * z / seen
    low = np.where(total > 0, np.maximum(0.0, (centre - spread) / scale), 0.0)
    high = np.where(total > 0, np.minimum(1.0, (centre + spread) / scale), 1.0)
    return low, high


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `total` with its 95 % interval."""

    value: float
    low: float
    high: float
    total: int

    @property
    def differs_from_half(self) -> bool:
        return self.total > 0 and not self.low <= 0.5 <= self.high


def share(successes: float, total: int) -> Share | None:
    """A share with Wilson's interval; None of nothing."""
    if not total:
        return None
    low, high = wilson(np.array(float(successes)), np.array(float(total)))
    return Share(successes / total, float(low), float(high), total)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
