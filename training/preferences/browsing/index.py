"""Reads the index of a version: columns, words and rows, each touching only its own part of the file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.browsing.building import MEASURES, NAMES, ROWS_PER_BLOCK
from training.preferences.browsing.layout import Array, IndexFile, index_path
from training.preferences.browsing.words import BETWEEN, Phrase, cut, holds
from training.preferences.records import Conversation, Pair
from training.preferences.store import Row, row_of

if TYPE_CHECKING:
    import pyarrow as pa

Mask = np.ndarray[Any, np.dtype[np.bool_]]
RowNumbers = np.ndarray[Any, np.dtype[np.int64]]
BLOCKS_AT_ONCE = 64


class Index:
    """An index that is there; `rows` is the number of rows of the version."""

    def __init__(self, path: Path) -> None:
        """`path` is the sealed file's. Raises OSError and ValueError as IndexFile."""
        self.file = IndexFile(index_path(path))
        self.rows = int(self.file.facts["rows"])
        self.segments: list[int] = self.file.facts["segments"]
        self.listed: dict[str, list[str]] = self.file.facts["listed"]

    def measure(self, name: str) -> Array:
        """One number per row (see MEASURES), NaN where there is none."""
        if name not in MEASURES:
            raise KeyError(name)
        return self.file[name]

    def named(self, column: str, value: str) -> Mask:
        """Rows whose split, annotator or source is `value`."""
        if column not in NAMES:
            raise KeyError(column)
        names: list[str] = json.loads(self.file[f"{column}.names"].tobytes())
        code = names.index(value) if value in names else -2
        mask: Mask = self.file[column] == code
        return mask

    def tagged(self, tag: str) -> RowNumbers:
        """Rows that the source tagged so."""
        tags: list[str] = json.loads(self.file["tags.names"].tobytes())
        if tag not in tags:
            return np.zeros(0, np.int64)
        return _posting(self.file["tags"], self.file["tags.ends"], tags.index(tag))

    # --- Words ----------------------------------------------------------------------------------------------------

    def holding(self, phrase: Phrase) -> Mask:
        """Rows with the word, or the two words side by side. A longer phrase: a superset, where every two neighbours
        stand side by side somewhere; `really_holding` tells."""
        mask = np.ones(self.rows, np.bool_)
        for pair in pairwise(phrase) if len(phrase) > 1 else [phrase]:
            mask &= self._holding(pair)
        return mask

    def _holding(self, words: Phrase) -> Mask:
        mask = np.zeros(self.rows, np.bool_)
        for number, start in enumerate(self.segments):
            name = f"segment{number}"
            ids = [self._find(name, word.encode()) for word in words]
            if None not in ids:
                rows = self._rows_of_pair(name, *ids) if len(ids) == 2 else self._rows_of_word(name, *ids)  # type: ignore[arg-type]
                mask[start + rows.astype(np.int64)] = True
        return mask

    def _rows_of_word(self, name: str, word: int) -> Array:
        return _posting(self.file[f"{name}.rows"], self.file[f"{name}.rows.ends"], word)

    def _rows_of_pair(self, name: str, before: int, after: int) -> Array:
        ends = self.file[f"{name}.next.ends"]
        start = int(ends[before - 1]) if before else 0
        followers = self.file[f"{name}.next"][start : int(ends[before])]
        place = int(np.searchsorted(followers, after))
        if place == len(followers) or followers[place] != after:
            return np.zeros(0, np.uint16)
        return _posting(self.file[f"{name}.next.rows"], self.file[f"{name}.next.rows.ends"], start + place)

    def _find(self, name: str, word: bytes) -> int | None:
        """The number of a word in a segment, by bisection."""
        ends = self.file[f"{name}.words.ends"]
        words = self.file[f"{name}.words"]
        low, high = 0, len(ends)
        while low < high:
            middle = (low + high) // 2
            found = words[int(ends[middle - 1]) if middle else 0 : int(ends[middle])].tobytes()
            if found == word:
                return middle
            low, high = (middle + 1, high) if found < word else (low, middle)
        return None

    def really_holding(self, rows: RowNumbers, phrases: Sequence[Phrase]) -> Mask:
        """Which of these rows hold all phrases, by their texts."""
        import pyarrow as pa

        kept = np.zeros(len(rows), np.bool_)
        for start in range(0, len(rows), BLOCKS_AT_ONCE):
            texts = [_text(row.pair) for row in self.rows_by_number(rows[start : start + BLOCKS_AT_ONCE])]
            found = [all(holds(words, phrase) for phrase in phrases) for words in cut(pa.array(texts)).to_pylist()]
            kept[start : start + len(found)] = found
        return kept

    # --- Rows -----------------------------------------------------------------------------------------------------

    def rows_by_number(self, numbers: Iterable[int]) -> list[Row]:
        """The rows with these numbers, in the order asked for; those that do not exist are left out."""
        wanted = [int(number) for number in numbers if 0 <= number < self.rows]
        blocks = {block: self._block(block) for block in {number // ROWS_PER_BLOCK for number in wanted}}
        return [self._row(blocks[number // ROWS_PER_BLOCK], number % ROWS_PER_BLOCK) for number in wanted]

    def all_rows(self, numbers: RowNumbers) -> Iterator[Row]:
        """Any number of rows, a few blocks at a time."""
        for start in range(0, len(numbers), 1_000):
            yield from self.rows_by_number(numbers[start : start + 1_000])

    @cached_property
    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        return pa.ipc.read_schema(pa.py_buffer(self.file["rows.schema"].tobytes()))

    def _block(self, number: int) -> pa.RecordBatch:
        import pyarrow as pa
        import zstandard

        start, end = self.file["rows.places"][number : number + 2].tolist()
        data = zstandard.ZstdDecompressor().decompress(self.file.between(start, end))
        return pa.ipc.read_record_batch(pa.py_buffer(data), self._schema)

    def _row(self, block: pa.RecordBatch, place: int) -> Row:
        record = block.slice(place, 1).to_pylist()[0]
        return row_of(list(record), list(record.values()))


def _posting(rows: Array, ends: Array, number: int) -> Array:
    return rows[int(ends[number - 1]) if number else 0 : int(ends[number])]


def _text(pair: Pair) -> str:
    sides: list[Conversation] = [pair.prompt, pair.chosen, pair.rejected or ()]
    return f" {BETWEEN} ".join("\n\n".join(turn.content for turn in side) for side in sides)


def opened(path: Path) -> Index | None:
    """The index of a sealed file; None where there is none, or none that can be read."""
    try:
        return _opened(path, index_path(path).stat().st_mtime_ns)
    except (OSError, ValueError, KeyError):
        return None


@lru_cache(maxsize=16)
def _opened(path: Path, _made: int) -> Index:
    return Index(path)
