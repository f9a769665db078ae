"""What a finding's `picture` holds, made ready for a template or a chart. Data of an unknown kind is not drawn.

{"kind": "histogram", "x": "tokens", "width": 50, "series": {"chosen": [count, …]}}   the last bin holds the tail
{"kind": "bars", "of": "annotator", "bars": [{"label", "share", "low", "high", "count"}], "reference": 0.5}
{"kind": "table", "columns": [name, …], "rows": [[text or number, …]]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def histogram_of(picture: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The histogram in a picture: itself, or that of the scores (in equal bins from 0 to 1) beside bars; else None."""
    if picture.get("kind") == "histogram":
        return picture
    if scores := picture.get("scores"):
        return {"kind": "histogram", "x": "score", "width": 1 / len(scores), "series": {"rows": scores}}
    return None


def histogram_chart(picture: Mapping[str, Any]) -> dict[str, Any]:
    """One chart of static/js/charts.js; series that are empty throughout are left out."""
    starts = [
        round(number * picture["width"], 6) for number in range(max(map(len, picture["series"].values()), default=0))
    ]
    series = [
        {"label": label, "x": starts, "y": counts, "steps": True}
        for label, counts in picture["series"].items()
        if any(counts)
    ]
    return {"x": picture["x"], "series": series}


def histogram_rows(picture: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The chart's table: from, to (None: and longer), counts; bins without any count are left out."""
    width, columns = picture["width"], list(picture["series"].values())
    last = max(map(len, columns), default=0) - 1
    step = 1 if width >= 1 else 0  # whole numbers end before the next begins, shares where it begins
    return [
        {
            "start": round(number * width, 6),
            "end": None if number == last else round((number + 1) * width - step, 6),
            "counts": counts,
        }
        for number, counts in enumerate(zip(*columns, strict=True))
        if any(counts)
    ]


def bars_span(picture: Mapping[str, Any]) -> dict[str, float]:
    """Where the axis of the bars starts and how long it is: from 0, to 1 or to what the longest interval needs."""
    highest = max((bar["high"] for bar in picture["bars"]), default=1.0)
    reference = picture.get("reference") or 0.0
    top = next(bound for bound in (0.1, 0.25, 0.5, 1.0) if bound >= min(1.0, max(highest, reference)))
    return {"start": 0.0, "span": top}
