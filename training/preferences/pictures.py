"""What a finding's `picture` holds, made ready for a template or a chart. Data of an unknown kind is not drawn.

{"kind": "histogram", "x": "tokens", "width": 50, "series": {"chosen": [count, …]}}   the last bin holds the tail
{"kind": "bars", "of": "annotator", "bars": [{"label", "share", "low", "high", "count", "filter"}], "reference": 0.5}
{"kind": "table", "columns": [name, …], "rows": [[text or number, …]], "filters": [filter of each row, …]}
                                     "keys" may name the rows for programs, in the same order

`filter` holds conditions of a filters.Filter, those of the rows that a bar is of; it is empty where there are none.
Further bars may stand under "beside".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.preferences.browsing.listings import Listing
from training.preferences.filters import Filter


def histogram_of(picture: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The histogram in a picture: itself, or that of the scores (in equal bins from 0 to 1) beside bars; else None."""
    if picture.get("kind") == "histogram":
        return picture
    if scores := picture.get("scores"):
        return {"kind": "histogram", "x": "score", "width": 1 / len(scores), "series": {"rows": scores}}
    return None


def histogram_chart(picture: Mapping[str, Any]) -> dict[str, Any]:
    """One chart of static/js/charts.js; series that are empty throughout are left out."""
    series = [steps(label, picture["width"], counts) for label, counts in picture["series"].items() if any(counts)]
    return {"x": picture["x"], "series": series}


def steps(label: str, width: float, heights: Sequence[float]) -> dict[str, Any]:
    """A histogram over bins of `width` from 0 on, as a series of static/js/charts.js. There a step ends where the next
    begins, so the end of the last bin is a place too, at that bin's height."""
    edges = [round(number * width, 6) for number in range(len(heights) + 1)]
    return {"label": label, "x": edges, "y": [*heights, *heights[-1:]], "steps": True}


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


def drawn(picture: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tables and bars of a picture, each with its span and the addresses of its rows as a query ("" for none)."""
    return [_drawn(one) for one in (picture, *picture.get("beside", ())) if one.get("kind") in ("bars", "table")]


def _drawn(picture: Mapping[str, Any]) -> dict[str, Any]:
    if picture["kind"] == "table":
        filters = picture.get("filters") or [{}] * len(picture["rows"])
        linked: list[dict[str, Any]] = [
            {"cells": [_cell(value) for value in row], "query": _query(of)}
            for row, of in zip(picture["rows"], filters, strict=True)
        ]
        columns = [
            {"name": name, "is_number": all(row["cells"][place]["is_number"] for row in linked)}
            for place, name in enumerate(picture["columns"])
        ]
        return {**picture, "columns": columns, "rows": linked}
    bars = [{**bar, "query": _query(bar.get("filter"))} for bar in picture["bars"]]
    return {**picture, "bars": bars, "axis": bars_span(picture), "reference": picture.get("reference")}


def _cell(value: str | float) -> dict[str, Any]:
    """A cell's text and whether it is a number, which stands to the right."""
    is_number = isinstance(value, int | float)
    return {"text": f"{value:,}" if is_number else value, "is_number": is_number}


def _query(conditions: Mapping[str, Any] | None) -> str:
    return Listing(Filter.model_validate(conditions)).query if conditions else ""


def bars_span(picture: Mapping[str, Any]) -> dict[str, float]:
    """Where the axis of the bars starts and how long it is: from 0, to 1 or to what the longest interval needs."""
    highest = max((bar["high"] for bar in picture["bars"]), default=1.0)
    reference = picture.get("reference") or 0.0
    top = next(bound for bound in (0.1, 0.25, 0.5, 1.0) if bound >= min(1.0, max(highest, reference)))
    return {"start": 0.0, "span": top}
