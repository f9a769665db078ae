"""Which rows a step is about: findings and scores of the report, tags, and what the rows say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.preferences.browsing.building import MEASURES
from training.preferences.checks.findings import RowNumbers
from training.preferences.cleaning.recipes import AnyStep, BadRecipe, Highest
from training.preferences.cleaning.state import Parent
from training.preferences.filters import Bounds, Filter
from training.preferences.report import Place

# Columns of the sealed file that are numbers, beside the scores of the report.
NUMBERS = ("label", "weight")


@dataclass(frozen=True)
class Material:
    """What names of rows refer to: the parts of the report, tags put on rows (tag -> rows), a search of the texts."""

    place: Place | None = None
    tagged: Callable[[str], Sequence[int]] = lambda tag: ()
    search: Callable[[Filter], RowNumbers] | None = None


def rows_of(step: AnyStep, parent: Parent, material: Material) -> RowNumbers:
    """The rows that a step names, ascending; raises BadRecipe for a finding or score that the report does not have."""
    conditions, values = _conditions(step.rows, parent, material)
    query = f"SELECT row FROM pairs WHERE {' AND '.join(conditions) or 'true'} ORDER BY row"
    rows: RowNumbers = parent.database.execute(query, values).fetchnumpy()["row"].astype(np.int64)
    rows = rows[_within_bounds(step.rows, parent)[rows]]
    if searched := _searched(step.rows, parent):
        rows = np.intersect1d(rows, _search(searched, material), assume_unique=True)
    if step.rows.finding:
        rows = np.intersect1d(rows, _found(step.rows, parent, material))
    return _highest(rows, step.highest, parent) if step.highest else rows


def _conditions(chosen: Filter, parent: Parent, material: Material) -> tuple[list[str], list[Any]]:
    """SQL on `pairs` and its parameters, for what the sealed file itself says."""
    conditions: list[str] = []
    values: list[Any] = []
    for column in ("split", "annotator", "source"):
        if wanted := getattr(chosen, column):
            conditions.append(f"{column} = ?")
            values.append(wanted)
    if chosen.tag:
        conditions.append("(list_contains(tags, ?) OR list_contains(?, row))")
        values += [chosen.tag, list(material.tagged(chosen.tag))]
    if chosen.rows:
        conditions.append("list_contains(?, row)")
        values.append(list(chosen.rows))
    return conditions, values


def _is_measured(bounds: Bounds, parent: Parent) -> bool:
    return bounds.score in MEASURES and bounds.score not in NUMBERS and bounds.score not in parent.scores


def _searched(chosen: Filter, parent: Parent) -> Filter | None:
    """The part of a filter that the browser's index answers: words, and measures that are no scores (lengths)."""
    measures = tuple(bounds for bounds in chosen.bounds if _is_measured(bounds, parent))
    return Filter(text=chosen.text, bounds=measures) if chosen.text or measures else None


def _search(chosen: Filter, material: Material) -> RowNumbers:
    if material.search is None:
        raise BadRecipe("Rows cannot be chosen by their words here.")
    return material.search(chosen)


def _within_bounds(chosen: Filter, parent: Parent) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Rows whose scores lie within all bounds, and have the language and cluster asked for."""
    there = np.ones(parent.rows, bool)
    for bounds in chosen.bounds:
        if _is_measured(bounds, parent):
            continue  # see _searched
        values = number_of(bounds.score, parent)
        low = -np.inf if bounds.low is None else bounds.low
        high = np.inf if bounds.high is None else bounds.high
        there &= (values >= low) & (values <= high)
    if chosen.language:
        there &= _scores(parent, "language") == chosen.language
    if chosen.cluster is not None:
        there &= _scores(parent, "cluster") == chosen.cluster
    return there


def number_of(name: str, parent: Parent) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A score of the report, or a column of the file (label, weight), as numbers; raises BadRecipe."""
    if name in NUMBERS:
        return np.asarray(parent.columns[name], np.float64)
    values = _scores(parent, name)
    if not np.issubdtype(values.dtype, np.number):
        raise BadRecipe(f"The score {name} is not a number, so rows cannot be chosen by its size.")
    return values.astype(np.float64)


def _scores(parent: Parent, name: str) -> np.ndarray[Any, Any]:
    if name not in parent.scores:
        raise BadRecipe(f"The report on this version has no score {name}. Leave the step out, or choose another score.")
    return parent.scores[name]


def _found(chosen: Filter, parent: Parent, material: Material) -> RowNumbers:
    """All rows of the finding; none where its rule found nothing, so that saved recipes fit versions without it."""
    if material.place is None or not material.place.exists:
        raise BadRecipe("The step is about a finding, and the report on this version is not made yet.")
    query = 'SELECT row FROM read_parquet(?) WHERE rule = ? AND (? IS NULL OR "group" = ?)'
    values = [str(material.place.rows), chosen.finding, chosen.group, chosen.group]
    rows: RowNumbers = parent.database.execute(query, values).fetchnumpy()["row"].astype(np.int64)
    return rows


def _highest(rows: RowNumbers, wanted: Highest, parent: Parent) -> RowNumbers:
    values = number_of(wanted.score, parent)[rows]
    known = np.isfinite(values)
    rows, values = rows[known], values[known]
    # Equal scores: the earlier row first, so that the same recipe means the same rows.
    order = np.argsort(-values, kind="stable")[: wanted.count]
    highest: RowNumbers = np.sort(rows[order])
    return highest
