"""Intervals from units drawn again (Efron 1979): units of one kind are drawn together, so 10,000 cost as few as 20.

Units on which the same was said are exchangeable. Drawing n units with replacement from T kinds, of which kind t has
n_t units, is one multinomial draw of n with chances n_t / n: the same distribution as drawing unit by unit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .votes import Floats, Ints

RESAMPLES = 1000
DRAWN_AT_ONCE = 5_000_000
"""Numbers held in memory at a time: 40 MB."""


def redraws(units: Ints, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[Floats]:
    """How many units of each kind every resample holds: blocks (some, T) of together `resamples` rows.

    `units` (T,): how many units of each kind there are. The same seed gives the same draws.
    """
    chance = np.random.default_rng(seed)
    total = int(units.sum())
    rows = max(1, DRAWN_AT_ONCE // max(1, len(units)))
    for start in range(0, resamples, rows):
        drawn = chance.multinomial(total, units / total, size=min(rows, resamples - start))
        yield drawn.astype(np.float64)


def percentiles(values: Floats, level: float = 0.95) -> tuple[float, float] | None:
    """The middle `level` of resampled values; values that are not finite are left out, None when none is left."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
