"""Makes the index of a sealed version: one pass, in bounded memory.

Beside columns of measures it holds
- the rows themselves in small compressed blocks, since a row group of the sealed file is 16,384 rows;
- per segment of at most 65,536 rows every word and every two neighbouring words, each with its rows.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.browsing.layout import Array, IndexWriter, index_path
from training.preferences.browsing.words import BETWEEN, LONGEST_WORD, cut

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_BLOCK = 32
ROWS_PER_BATCH = 2_048
ROWS_PER_SEGMENT = 65_536
# With 2^25 characters a segment has at most 2^24 words: two of them and a row fit into 64 bits.
CHARACTERS_PER_SEGMENT = 2**25
MEASURES = ("prompt_length", "chosen_length", "rejected_length", "length_difference", "weight", "label", "margin")
NAMES = ("split", "annotator", "source")
LISTED = 50
# An index takes up to about so many times the sealed file's size.
ROOM_PER_BYTE = 6

Progress = Callable[[int, int], None]


class NoRoom(OSError):
    """There is too little room on the disk for the index."""


def build(path: Path, progress: Progress = lambda done, rows: None) -> Path:
    """The index of a sealed file, made anew; `progress` is told rows done and rows in all. Raises NoRoom, OSError."""
    import pyarrow.parquet as pq

    if missing := lacking_room(path):
        raise NoRoom(missing)
    with pq.ParquetFile(path) as file, IndexWriter(path, file.metadata.num_rows) as writer:
        columns = _Columns(file.schema_arrow.names)
        rows = _RowBlocks(writer, file.schema_arrow)
        segments = _Segments(writer)
        for batch in _batches(file):
            rows.add(batch)
            segments.add(columns.add(batch))
            writer.say(columns.rows)
            progress(columns.rows, writer.rows)
        segments.flush()
        rows.finish()
        columns.finish(writer)
        return writer.publish({"rows": columns.rows, "segments": segments.starts, "listed": columns.listed})


def _batches(file: Any) -> Iterator[pa.RecordBatch]:
    """Never across row groups, whose size in characters is bounded."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(ROWS_PER_BATCH, row_groups=[group])


def lacking_room(path: Path) -> str:
    """A sentence when the disk has too little room for an index of this file; else empty."""
    free = shutil.disk_usage(path.parent).free
    need = path.stat().st_size * ROOM_PER_BYTE
    if free >= need:
        return ""
    return f"The disk has {free / 1e9:.1f} GB left; the index of these rows may take {need / 1e9:.1f} GB. Make room."


@dataclass
class _RowBlocks:
    """The rows as they were sealed, in blocks that are quick to open."""

    writer: IndexWriter
    schema: pa.Schema
    places: list[int] = field(default_factory=list)
    end: int = 0

    def __post_init__(self) -> None:
        import zstandard

        self.compressor = zstandard.ZstdCompressor(level=3)
        self.left: pa.RecordBatch | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        import pyarrow as pa

        if self.left is not None and self.left.num_rows:
            batch = pa.concat_batches([self.left, batch])
        whole = batch.num_rows - batch.num_rows % ROWS_PER_BLOCK
        for start in range(0, whole, ROWS_PER_BLOCK):
            self._write(batch.slice(start, ROWS_PER_BLOCK))
        self.left = batch.slice(whole)

    def finish(self) -> None:
        if self.left is not None and self.left.num_rows:
            self._write(self.left)
        self.writer.add("rows.places", np.array([*self.places, self.end], np.int64))
        self.writer.add("rows.schema", self.schema.remove_metadata().serialize().to_pybytes())

    def _write(self, block: pa.RecordBatch) -> None:
        data = self.compressor.compress(block.serialize())
        self.places.append(self.writer.append(data))
        self.end = self.places[-1] + len(data)


class _Columns:
    """Measures and names of every row; some 60 bytes each are kept until the end."""

    def __init__(self, names: list[str]) -> None:
        self.there = set(names)
        self.rows = 0
        self.measures: dict[str, list[Array]] = {name: [] for name in MEASURES}
        self.names: dict[str, list[Any]] = {name: [] for name in NAMES}
        self.tags: dict[str, list[int]] = {}
        self.listed: dict[str, list[str]] = {}

    def add(self, batch: pa.RecordBatch) -> pa.Array:
        """Take a batch's measures; returns its texts."""
        import pyarrow as pa
        import pyarrow.compute as pc

        texts, lengths = zip(*(_text(batch.column(side)) for side in ("prompt", "chosen", "rejected")), strict=True)
        prompt, chosen, rejected = lengths
        pairs = batch.column("rejected").is_valid().to_numpy(zero_copy_only=False)
        difference = np.where(pairs, chosen - rejected, np.nan)
        found = (prompt, chosen, np.where(pairs, rejected, np.nan), difference, *self._numbers(batch))
        for name, values in zip(MEASURES, found, strict=True):
            self.measures[name].append(np.asarray(values, np.float32))
        for name in NAMES:
            self.names[name].append(batch.column(name) if name in self.there else pa.nulls(len(batch), pa.string()))
        if "tags" in self.there:
            self._tags(batch.column("tags"))
        self.rows += len(batch)
        return pc.binary_join_element_wise(*texts, f" {BETWEEN} ")

    def _numbers(self, batch: pa.RecordBatch) -> Iterator[Array]:
        for name, usual in (("weight", 1.0), ("label", 1.0), ("margin", np.nan)):
            if name in self.there:
                values = batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
                yield np.where(np.isnan(values), usual, values)
            else:
                yield np.full(len(batch), usual)

    def _tags(self, column: pa.ListArray) -> None:
        import pyarrow.compute as pc

        rows = pc.list_parent_indices(column).to_pylist()
        for row, tag in zip(rows, pc.list_flatten(column).to_pylist(), strict=True):
            self.tags.setdefault(tag, []).append(self.rows + row)

    def finish(self, writer: IndexWriter) -> None:
        for name, parts in self.measures.items():
            writer.add(name, np.concatenate(parts))
        for name, chunks in self.names.items():
            self._finish_names(writer, name, chunks)
        tags = sorted(self.tags, key=lambda tag: -len(self.tags[tag]))
        self.listed["tag"] = tags[:LISTED]
        _add_postings(writer, "tags", [np.unique(np.array(self.tags[tag], np.int64)) for tag in tags])
        writer.add("tags.names", json.dumps(tags).encode())

    def _finish_names(self, writer: IndexWriter, name: str, chunks: list[Any]) -> None:
        import pyarrow as pa

        encoded = pa.chunked_array(chunks, pa.string()).combine_chunks().dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy().astype(np.int32)
        values = encoded.dictionary.to_pylist()
        order = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(values)), kind="stable")
        self.listed[name] = [values[place] for place in order[:LISTED]]
        writer.add(name, codes)
        writer.add(f"{name}.names", json.dumps(values).encode())


def _text(column: pa.ListArray) -> tuple[pa.Array, Array]:
    """What the turns of each row say, joined by blank lines, and how many characters that is without the joints."""
    import pyarrow as pa
    import pyarrow.compute as pc

    contents = pc.struct_field(column.values, "content")
    offsets = column.offsets.to_numpy()
    joined = pc.binary_join(pa.ListArray.from_arrays(column.offsets, contents), "\n\n")
    ends = np.concatenate([[0], np.cumsum(pc.utf8_length(contents).to_numpy(zero_copy_only=False))])
    return joined, ends[offsets[1:]] - ends[offsets[:-1]]


class _Segments:
    """Words and neighbours of some tens of thousands of rows at a time, written as sorted lists of rows."""

    def __init__(self, writer: IndexWriter) -> None:
        self.writer = writer
        self.starts: list[int] = []
        self.next = 0
        self.texts: list[Any] = []
        self.rows = 0
        self.characters = 0

    def add(self, texts: pa.Array) -> None:
        import pyarrow.compute as pc

        characters = pc.sum(pc.utf8_length(texts)).as_py() or 0
        full = self.rows + len(texts) > ROWS_PER_SEGMENT or self.characters + characters > CHARACTERS_PER_SEGMENT
        if self.rows and full:
            self.flush()
        self.texts.append(texts)
        self.rows += len(texts)
        self.characters += characters

    def flush(self) -> None:
        """Write the segment that was collected."""
        if not self.rows:
            return
        words, ids, rows = _words(self.texts)
        name = f"segment{len(self.starts)}"
        self.starts.append(self.next)
        self.next += self.rows
        self.texts, self.rows, self.characters = [], 0, 0
        _write_words(self.writer, name, words)
        _write_rows_of_words(self.writer, name, ids, rows, len(words))
        _write_neighbours(self.writer, name, ids, rows, len(words))


def _words(texts: list[Any]) -> tuple[list[bytes], Array, Array]:
    """The sorted words of a segment; then for every place in its texts the word's number and the row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbered, rows, start = [], [], 0
    for part in texts:
        lists = cut(part)
        rows.append((pc.list_parent_indices(lists).to_numpy() + start).astype(np.uint16))
        numbered.append(pc.utf8_slice_codeunits(pc.list_flatten(lists), 0, LONGEST_WORD).dictionary_encode())
        start += len(part)
    encoded = pa.chunked_array(numbered).combine_chunks()
    order = pc.sort_indices(encoded.dictionary)
    words = [word.encode() for word in encoded.dictionary.take(order).to_pylist()]
    numbers = np.empty(len(words), np.uint32)
    numbers[order.to_numpy()] = np.arange(len(words), dtype=np.uint32)
    return words, numbers[encoded.indices.to_numpy()], np.concatenate(rows)


def _write_words(writer: IndexWriter, name: str, words: list[bytes]) -> None:
    writer.add(f"{name}.words.ends", np.cumsum([len(word) for word in words], dtype=np.uint32))
    writer.add(f"{name}.words", b"".join(words))


def _write_rows_of_words(writer: IndexWriter, name: str, ids: Array, rows: Array, words: int) -> None:
    keys = _distinct(_packed(ids, rows))
    writer.add(f"{name}.rows.ends", np.cumsum(np.bincount(keys >> np.uint64(16), minlength=words), dtype=np.uint32))
    writer.add(f"{name}.rows", (keys & np.uint64(0xFFFF)).astype(np.uint16))


def _write_neighbours(writer: IndexWriter, name: str, ids: Array, rows: Array, words: int) -> None:
    """For each word those that follow it somewhere, and for each such pair its rows."""
    same = rows[1:] == rows[:-1]
    keys = ids[:-1].astype(np.uint64)
    keys <<= np.uint64(24)
    keys |= ids[1:]
    keys = _distinct(_packed(keys, rows[1:])[same])
    pairs = keys >> np.uint64(16)
    first = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]])) if len(pairs) else np.zeros(0, np.int64)
    distinct = pairs[first]
    befores = (distinct >> np.uint64(24)).astype(np.int64)
    writer.add(f"{name}.next.ends", np.cumsum(np.bincount(befores, minlength=words), dtype=np.uint32))
    writer.add(f"{name}.next", (distinct & np.uint64(0xFFFFFF)).astype(np.uint32))
    writer.add(f"{name}.next.rows.ends", np.append(first[1:], len(keys)).astype(np.uint32))
    writer.add(f"{name}.next.rows", (keys & np.uint64(0xFFFF)).astype(np.uint16))


def _packed(ids: Array, rows: Array) -> Array:
    """Numbers that sort by id, then by row."""
    keys = ids.astype(np.uint64)
    keys <<= np.uint64(16)
    keys |= rows
    return keys


def _distinct(keys: Array) -> Array:
    """Sorted, each once."""
    keys.sort()
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys


def _add_postings(writer: IndexWriter, name: str, lists: list[Array]) -> None:
    writer.add(f"{name}.ends", np.cumsum([len(rows) for rows in lists], dtype=np.int64))
    writer.add(name, np.concatenate(lists) if lists else np.zeros(0, np.int64))


def ensure(path: Path) -> Path:
    """The index of a sealed file, made if it is missing. Raises as `build`."""
    target = index_path(path)
    return target if target.exists() else build(path)
