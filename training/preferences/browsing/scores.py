"""What the report on a version says of single rows: scores, and the rows of every finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from training.preferences.browsing.layout import Array
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
        import pyarrow.compute as pc

        return np.asarray(pc.equal(_column(self.place.scores, "language"), language).fill_null(False))

    def languages(self) -> tuple[str, ...]:
        """The languages that occur, the most frequent first."""
        return _languages(self.place.scores, _made(self.place.scores)) if self.has_language else ()

    def found(self) -> dict[str, Found]:
        """All rows of every finding, by rule."""
        return _found(self.place.rows, _made(self.place.rows))

    def findings_of(self, rows: Iterable[int]) -> dict[int, list[tuple[str, int | None]]]:
        """For each of some rows the rules that found it, with its group."""
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
        return said


def _made(path: Path) -> int:
    """When a file was written; 0 if it is not there. Part of what is remembered about it."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _column(path: Path, name: str) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path, columns=[name], memory_map=True)[name]


@lru_cache(maxsize=64)
def _columns(path: Path, made: int) -> dict[str, bool]:
    """Name of each score -> whether it is a number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not made:
        return {}
    schema = pq.read_schema(path)
    return {f.name: pa.types.is_integer(f.type) or pa.types.is_floating(f.type) for f in schema if f.name != "row"}


@lru_cache(maxsize=12)
def _numbers(path: Path, name: str, made: int) -> Array:
    read: Array = _column(path, name).to_numpy()
    values: Array = read.astype(np.float64 if read.dtype.itemsize == 8 else np.float32)
    if name in NONE_IS_NEGATIVE:
        values[np.less(values, 0)] = np.nan
    return values


@lru_cache(maxsize=64)
def _languages(path: Path, made: int) -> tuple[str, ...]:
    counts = _column(path, "language").value_counts().to_pylist()
    counts.sort(key=lambda count: -count["counts"])
    return tuple(count["values"] for count in counts[:LISTED] if count["values"])


@lru_cache(maxsize=4)
def _found(path: Path, made: int) -> dict[str, Found]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if not made:
        return {}
    table = pq.read_table(path).combine_chunks()
    rules = table["rule"].combine_chunks()
    rules = rules if pa.types.is_dictionary(rules.type) else rules.dictionary_encode()
    codes = rules.indices.to_numpy()
    found = {}
    for code, rule in enumerate(rules.dictionary.to_pylist()):
        part = table.filter(pa.array(codes == code))
        groups = part["group"]
        has_groups = groups.null_count < len(groups)
        rows = part["row"].to_numpy().astype(np.int32 if len(part) else np.int64)
        found[rule] = Found(rows, pc.fill_null(groups, -1).to_numpy() if has_groups else None)
    return found
