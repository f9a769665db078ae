"""Makes the index of a sealed version: one pass, in bounded memory.

Beside measures and words it holds the rows themselves in small compressed blocks, since a row group of the sealed file
is 16,384 rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.browsing.layout import Array, IndexWriter, index_path
from training.preferences.browsing.words import BETWEEN, spaced

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_BLOCK = 32
# Reading one row opens its block, so a few rows of a megabyte each do not share one.
BYTES_PER_BLOCK = 2**20
ROWS_PER_BATCH = 2_048
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
        columns, blocks = _Columns(file.schema_arrow.names), _Blocks(writer)
        for batch in _batches(file):
            first, texts = columns.rows, columns.add(batch)
            writer.add_words(first, spaced(texts))
            blocks.add(batch)
            writer.say(columns.rows)
            progress(columns.rows, writer.rows)
        columns.finish(writer)
        schema = file.schema_arrow.remove_metadata().serialize().to_pybytes().hex()
        return writer.publish({"rows": columns.rows, "listed": columns.listed, "schema": schema})


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
class _Blocks:
    """The rows as they were sealed, in blocks that are quick to open."""

    writer: IndexWriter
    first: int = 0

    def __post_init__(self) -> None:
        import zstandard

        self.compressor = zstandard.ZstdCompressor(level=3)

    def add(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, ROWS_PER_BLOCK):
            self._write(batch.slice(start, ROWS_PER_BLOCK))

    def _write(self, block: pa.RecordBatch) -> None:
        if block.num_rows > 1 and block.nbytes > BYTES_PER_BLOCK:
            half = block.num_rows // 2
            self._write(block.slice(0, half))
            self._write(block.slice(half))
            return
        self.writer.add_block(self.first, self.compressor.compress(block.serialize()))
        self.first += block.num_rows


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
            writer.add_column(name, np.concatenate(parts))
        for name, chunks in self.names.items():
            self._finish_names(writer, name, chunks)
        self.listed["tag"] = sorted(self.tags, key=lambda tag: -len(self.tags[tag]))[:LISTED]
        for tag, rows in self.tags.items():
            writer.add_tag(tag, np.unique(rows))

    def _finish_names(self, writer: IndexWriter, name: str, chunks: list[Any]) -> None:
        import pyarrow as pa

        encoded = pa.chunked_array(chunks, pa.string()).combine_chunks().dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy().astype(np.int32)
        values = encoded.dictionary.to_pylist()
        order = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(values)), kind="stable")
        self.listed[name] = [values[place] for place in order[:LISTED]]
        writer.add_column(name, codes)
        writer.add_names(name, values)


def _text(column: pa.ListArray) -> tuple[pa.Array, Array]:
    """What the turns of each row say, joined by blank lines, and how many characters that is without the joints."""
    import pyarrow as pa
    import pyarrow.compute as pc

    contents = pc.struct_field(column.values, "content")
    offsets = column.offsets.to_numpy()
    joined = pc.binary_join(pa.ListArray.from_arrays(column.offsets, contents), "\n\n")
    ends = np.concatenate([[0], np.cumsum(pc.utf8_length(contents).to_numpy(zero_copy_only=False))])
    return joined, ends[offsets[1:]] - ends[offsets[:-1]]


def ensure(path: Path) -> Path:
    """The index of a sealed file, made if it is missing. Raises as `build`."""
    target = index_path(path)
    return target if target.exists() else build(path)
