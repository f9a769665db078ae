"""What the report on a version says of single rows: scores, and the rows of every finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from training.preferences import store
from training.preferences.browsing.layout import Array
from training.preferences.checks.findings import rule_of
from training.preferences.report import Place

# Where "none" is said with a number.
NONE_IS_NEGATIVE = {"cluster", "duplicate_of"}
LISTED = 50


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of one finding, and of each the group it belongs to (None: they have no groups)."""

    rows: Array
    groups: Array | None


@dataclass(frozen=True)
class Scores:
    """The files of rows and scores of a stored report."""

    place: Place

    @property
    def names(self) -> tuple[str, ...]:
        """The scores that are numbers."""
        return tuple(name for name, is_number in self._columns.items() if is_number)

    @property
    def has_language(self) -> bool:
        return "language" in self._columns

    @property
    def _columns(self) -> dict[str, bool]:
        return _columns(self.place.scores, _made(self.place.scores))

    def numbers(self, name: str) -> Array:
        """One float or whole number per row; NaN where there is none. KeyError when there is no such score."""
        if not self._columns.get(name):
            raise KeyError(name)
        return _numbers(self.place.scores, name, _made(self.place.scores))

    def in_language(self, language: str) -> Array:
        """Which rows are in this language."""
        query = "SELECT coalesce(language = ?, false) AS found FROM read_parquet(?) ORDER BY row"
        return _columns_of(self.place.scores, query, [language, str(self.place.scores)])["found"]

    def languages(self) -> tuple[str, ...]:
        """The languages that occur, the most frequent first."""
        return _languages(self.place.scores, _made(self.place.scores)) if self.has_language else ()

    def found(self) -> dict[str, Found]:
        """All rows of every finding, by rule."""
        return _found(self.place.rows, _made(self.place.rows))

    def findings_of(self, rows: Iterable[int]) -> dict[int, list[tuple[str, int | None]]]:
        """For each of some rows the rules that found it, with its group; parts of a finding stand for it."""
        wanted = np.fromiter(rows, np.int64)
        said: dict[int, list[tuple[str, int | None]]] = {int(row): [] for row in wanted}
        if not len(wanted):
            return said
        for rule, found in self.found().items():
            lookup = np.zeros(max(int(wanted.max()), int(found.rows.max(initial=0))) + 1, np.bool_)
            lookup[wanted] = True
            for place in np.flatnonzero(lookup[found.rows]):
                group = None if found.groups is None else int(found.groups[place])
                said[int(found.rows[place])].append((rule, group))
        return {row: _named_by_parts(found) for row, found in said.items()}


def _named_by_parts(found: list[tuple[str, int | None]]) -> list[tuple[str, int | None]]:
    parts = {rule_of(rule) for rule, _ in found if rule_of(rule) != rule}
    return [(rule, group) for rule, group in found if rule not in parts]


def _made(path: Path) -> int:
    """When a file was written; 0 if it is not there. Part of what is remembered about it."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _columns_of(path: Path, query: str, values: list[Any]) -> dict[str, Array]:
    with store.connection(path) as database:
        return store.columns_of(database, query, values)


@lru_cache(maxsize=64)
def _columns(path: Path, made: int) -> dict[str, bool]:
    """Name of each score -> whether it is a number."""
    if not made:
        return {}
    with store.connection(path) as database:
        described = database.execute("DESCRIBE FROM read_parquet(?)", [str(path)]).fetchall()
    return {name: kind not in ("VARCHAR", "BOOLEAN") for name, kind, *_ in described if name != "row"}


@lru_cache(maxsize=12)
def _numbers(path: Path, name: str, made: int) -> Array:
    quoted = name.replace('"', '""')
    read = _columns_of(path, f'SELECT "{quoted}" AS score FROM read_parquet(?) ORDER BY row', [str(path)])["score"]
    values = read.astype(np.float64 if read.dtype.itemsize == 8 else np.float32)
    if name in NONE_IS_NEGATIVE:
        values[np.less(values, 0)] = np.nan
    return values


@lru_cache(maxsize=64)
def _languages(path: Path, made: int) -> tuple[str, ...]:
    query = """SELECT language FROM read_parquet(?) WHERE language <> ''
               GROUP BY language ORDER BY count(*) DESC, language LIMIT ?"""
    with store.connection(path) as database:
        return tuple(language for (language,) in database.execute(query, [str(path), LISTED]).fetchall())


@lru_cache(maxsize=4)
def _found(path: Path, made: int) -> dict[str, Found]:
    if not made:
        return {}
    # The report's own order: the gravest first.
    rules = "SELECT rule FROM read_parquet(?, file_row_number = true) GROUP BY rule ORDER BY min(file_row_number)"
    query = """SELECT row::INTEGER AS row, coalesce("group", -1) AS "group", "group" IS NOT NULL AS has_groups
               FROM read_parquet(?) WHERE rule = ?"""
    found = {}
    with store.connection(path) as database:
        for (rule,) in database.execute(rules, [str(path)]).fetchall():
            columns = store.columns_of(database, query, [str(path), rule])
            found[rule] = Found(columns["row"], columns["group"] if columns["has_groups"].any() else None)
    return found
