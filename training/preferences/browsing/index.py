"""Reads the index of a version: columns, words and rows, each touching only its own part of the file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.browsing.building import MEASURES, NAMES
from training.preferences.browsing.layout import Array, IndexFile, index_path
from training.preferences.browsing.words import Phrase
from training.preferences.store import Row, row_of

if TYPE_CHECKING:
    import sqlite3

Mask = np.ndarray[Any, np.dtype[np.bool_]]
RowNumbers = np.ndarray[Any, np.dtype[np.int64]]
# What a search found is remembered, a bit per row: its pages, orders and further conditions need not search again.
SEARCHES_REMEMBERED = 16


class Index:
    """An index that is there; `rows` is the number of rows of the version."""

    def __init__(self, path: Path) -> None:
        """`path` is the sealed file's. Raises OSError and ValueError as IndexFile."""
        self.file = IndexFile(index_path(path))
        self.rows = int(self.file.facts["rows"])
        self.listed: dict[str, list[str]] = self.file.facts["listed"]
        self._bits = lru_cache(SEARCHES_REMEMBERED)(self._search)

    def measure(self, name: str) -> Array:
        """One number per row (see MEASURES), NaN where there is none."""
        if name not in MEASURES:
            raise KeyError(name)
        return self.file.column(name)

    def contents(self) -> Array:
        """A 64-bit number per row, the same for rows with the same texts, in any version."""
        return self.file.column("content")

    def named(self, column: str, value: str) -> Mask:
        """Rows whose split, annotator or source is `value`."""
        if column not in NAMES:
            raise KeyError(column)
        with self.file.opened() as database:
            code = database.execute("SELECT code FROM names WHERE of = ? AND name = ?", [column, value]).fetchone()
        mask: Mask = self.file.column(column) == code[0] if code else np.zeros(self.rows, np.bool_)
        return mask

    def tagged(self, tag: str) -> RowNumbers:
        """Rows that the source tagged so."""
        with self.file.opened() as database:
            found = database.execute("SELECT rows FROM tags WHERE tag = ?", [tag]).fetchone()
        return np.frombuffer(found[0] if found else b"", np.int64)

    def holding(self, phrases: Iterable[Phrase]) -> Mask:
        """Rows that hold every phrase; all rows where none is asked for."""
        asked = " ".join(f'"{" ".join(phrase)}"' for phrase in phrases)
        if not asked:
            return np.ones(self.rows, np.bool_)
        return np.unpackbits(self._bits(asked), count=self.rows).astype(np.bool_)

    def _search(self, asked: str) -> Array:
        with self.file.opened() as database:
            # A million numbers in one text arrive ten times sooner than as a million rows.
            query = "SELECT group_concat(rowid) FROM words WHERE words MATCH ?"
            [(numbers,)] = database.execute(query, [asked])
        mask = np.zeros(self.rows, np.bool_)
        mask[np.fromstring(numbers or "", np.int64, sep=",")] = True
        return np.packbits(mask)

    # --- Rows -----------------------------------------------------------------------------------------------------

    def rows_by_number(self, numbers: Iterable[int]) -> list[Row]:
        """The rows with these numbers, in the order asked for; those that do not exist are left out."""
        wanted = [int(number) for number in numbers if 0 <= number < self.rows]
        found = dict(self._rows(sorted(set(wanted))))
        return [found[number] for number in wanted]

    def all_rows(self, numbers: RowNumbers) -> Iterator[Row]:
        """Any number of rows, some at a time."""
        for start in range(0, len(numbers), 1_000):
            yield from self.rows_by_number(numbers[start : start + 1_000])

    def _rows(self, numbers: list[int]) -> Iterator[tuple[int, Row]]:
        names: list[str] = self.file.facts["columns"]
        first, block = 0, list[list[Any]]()
        with self.file.opened() as database:
            for number in numbers:
                if number >= first + len(block):
                    first, block = _block(database, number)
                yield number, row_of(names, block[number - first])


def _block(database: sqlite3.Connection, number: int) -> tuple[int, list[list[Any]]]:
    """The block that holds a row: the number of its first row, and the values of every row."""
    import zstandard

    query = "SELECT first, rows FROM blocks WHERE first <= ? ORDER BY first DESC LIMIT 1"
    [(first, rows)] = database.execute(query, [number])
    return first, json.loads(zstandard.ZstdDecompressor().decompress(rows))


def opened(path: Path) -> Index | None:
    """The index of a sealed file; None where there is none, or none that can be read."""
    try:
        return _opened(path, index_path(path).stat().st_mtime_ns)
    except (OSError, ValueError, KeyError):
        return None


@lru_cache(maxsize=16)
def _opened(path: Path, _made: int) -> Index:
    return Index(path)
