"""Intervals for shares: how far a percentage of so many rows may be off."""

from __future__ import annotations

from math import sqrt

Z95 = 1.959964


def wilson(successes: float, total: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval for a share (Wilson 1927); (0, 1) when nothing was seen.

    Unlike the normal approximation it stays within [0, 1] and is sound for small totals. Of weighted cases the total is
    their effective number (Kish 1965).
    """
    if not total:
        return 0.0, 1.0
    share = successes / total
    centre = share + z * z / (2 * total)
    spread = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
