"""Bars of a finding's picture: a figure with its 95 % interval under a name, and the rows that it is of."""

from __future__ import annotations

import math
from typing import Any

from training.preferences.intervals import Z95, wilson


def share_bar(label: str, count: int, total: int, **rows: object) -> dict[str, Any]:
    """`count` of `total`; `rows` are conditions of a filter (filters.Filter), none where the bar is not about rows."""
    low, high = wilson(count, total)
    return {"label": label, "share": count / total, "low": low, "high": high, "count": total, "filter": rows}


def mean_bar(label: str, mean: float, deviation: float, count: int, **rows: object) -> dict[str, Any]:
    """A mean of numbers from 0 to 1 with its normal interval, by their standard deviation."""
    spread = Z95 * deviation / math.sqrt(count)
    low, high = max(0.0, mean - spread), min(1.0, mean + spread)
    return {"label": label, "share": mean, "low": low, "high": high, "count": count, "filter": rows}
