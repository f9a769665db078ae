"""Writes sealed Parquet: streamed, in bounded memory, same rows to same bytes, named by its SHA-256.

The columns are the contract in docs/ARCHITECTURE.md. A version appears in its folder whole or not
at all: rows go to a hidden partial file, which is renamed when its digest is known. Finishing and
publishing are two steps, so that a database row and its file can appear together.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from training.preferences.records import Conversation, Pair
from training.preferences.splits import HELD_OUT, TRAIN, PromptSplit

if TYPE_CHECKING:
    import pyarrow as pa

# A row group ends at whichever comes first, so that neither many short nor a few huge rows fill memory.
ROWS_PER_GROUP = 16_384
CHARACTERS_PER_GROUP = 16 * 1024 * 1024
as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class NothingToSeal(ValueError):
    """A version needs at least one pair."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed file and what was counted while writing it."""

    path: Path
    sha256: str
    size: int
    rows: int
    train_rows: int
    held_out_rows: int
    demonstration_rows: int

    @property
    def kind(self) -> str:
        """`demonstrations` when no row has a rejected answer, else `preferences`."""
        return "demonstrations" if self.demonstration_rows == self.rows else "preferences"


class SealedWriter:
    """Collects pairs into a sealed version: a context manager that leaves nothing behind unless published."""

    def __init__(self, directory: Path, split: PromptSplit, name: str = "pairs") -> None:
        """`name` begins the name of the partial file, to tell what a killed process left behind."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.split = split
        self.name = name
        self.partial = directory / f".{name}-{uuid4().hex}.partial"
        self.rows = 0
        self.demonstrations = 0
        self.counts = {TRAIN: 0, HELD_OUT: 0}
        self.group = _RowGroup(0)
        self._parquet: Any = None
        # Compressing holds no lock, so that the next rows are read meanwhile.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seal")
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        import pyarrow.parquet as pq

        self._parquet = pq.ParquetWriter(self.partial, schema(), compression="zstd", use_dictionary=["split"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._thread.shutdown()
            self._parquet.close()
        finally:
            self.partial.unlink(missing_ok=True)

    def add(self, pair: Pair) -> None:
        """Takes a pair as checked (`records.check`)."""
        split = self.split.assign(pair.prompt)
        self.group.append(pair, split)
        self.rows += 1
        self.counts[split] += 1
        self.demonstrations += pair.rejected is None
        if self.group.full:
            self._flush()

    def add_table(self, table: pa.Table) -> None:
        """Takes rows of another version with all columns of the format; they keep their sides and get new numbers."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not len(table):
            return
        self._flush()
        self._settle()
        numbers = pa.array(range(self.rows, self.rows + len(table)), pa.int64())
        self._parquet.write_table(table.set_column(0, schema().field("row"), numbers))
        self.rows += len(table)
        self.group = _RowGroup(self.rows)
        self.demonstrations += table["rejected"].null_count
        held_out = pc.sum(pc.equal(table["split"], HELD_OUT)).as_py()
        self.counts[HELD_OUT] += held_out
        self.counts[TRAIN] += len(table) - held_out

    def finish(self) -> Sealed:
        """Ends the file and names it by its digest; it is not in its place before `publish`."""
        if not self.rows:
            raise NothingToSeal("There is no usable row, so there is nothing to seal.")
        self._flush()
        self._settle()
        self._parquet.close()
        if corrected := self.split.corrected():
            self._split_again(corrected)
        with self.partial.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.seek(0, os.SEEK_END)
            os.fsync(file.fileno())
        train, held_out = self.counts[TRAIN], self.counts[HELD_OUT]
        path = self.directory / f"{digest}.parquet"
        return Sealed(path, digest, size, self.rows, train, held_out, self.demonstrations)

    def publish(self, sealed: Sealed) -> None:
        """Moves the finished file to `<sha256>.parquet`, where equal rows already stand or not."""
        os.replace(self.partial, sealed.path)
        _sync_directory(self.directory)

    def _split_again(self, split: PromptSplit) -> None:
        from training.preferences.store import read_pairs

        with SealedWriter(self.directory, split, self.name) as second:
            for pair in read_pairs(self.partial):
                second.add(pair)
            second.finish()
            os.replace(second.partial, self.partial)
        self.counts = second.counts

    def _flush(self) -> None:
        """Hands the rows to the writing thread, once it is done with those before."""
        if self.group.others:
            self._settle()
            self._writing = self._thread.submit(self._write, self.group)
            self.group = _RowGroup(self.rows)

    def _write(self, group: _RowGroup) -> None:
        self._parquet.write_batch(group.to_arrow())

    def _settle(self) -> None:
        """Waits until everything handed over is written; raises what writing it raised."""
        if self._writing is not None:
            self._writing.result()


def seal_pairs(pairs: Iterable[Pair], directory: Path, split: PromptSplit) -> Sealed:
    """Seals an iterable of pairs; they are taken as checked (`records.check`)."""
    with SealedWriter(directory, split) as writer:
        for pair in pairs:
            writer.add(pair)
        sealed = writer.finish()
        writer.publish(sealed)
        return sealed


def schema() -> pa.Schema:
    """The columns of a sealed version, as docs/ARCHITECTURE.md lists them."""
    import pyarrow as pa

    conversation = _conversation_type()
    return pa.schema(
        [
            pa.field("row", pa.int64(), nullable=False),
            pa.field("line", pa.int64(), nullable=False),
            pa.field("prompt", conversation, nullable=False),
            pa.field("chosen", conversation, nullable=False),
            pa.field("rejected", conversation),
            pa.field("split", pa.string(), nullable=False),
            pa.field("weight", pa.float64(), nullable=False),
            pa.field("label", pa.float64(), nullable=False),
            pa.field("margin", pa.float64()),
            pa.field("annotator", pa.string()),
            pa.field("source", pa.string()),
            pa.field("position", pa.int8()),
            pa.field("at", pa.string()),
            pa.field("tags", pa.list_(pa.string()), nullable=False),
            pa.field("extra", pa.string(), nullable=False),
        ],
        metadata={"alignapp.format": "3"},
    )


def _conversation_type() -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))


def _sync_directory(directory: Path) -> None:
    """Makes the rename itself durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(slots=True)
class _Column:
    """A column of conversations, flat: Arrow's own layout, which avoids a dictionary per message."""

    starts: list[int | None] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)

    def append(self, conversation: Conversation | None) -> int:
        """Returns the number of characters added."""
        if conversation is None:
            self.starts.append(None)
            return 0
        self.starts.append(len(self.roles))
        characters = 0
        for message in conversation:
            self.roles.append(message.role)
            self.contents.append(message.content)
            characters += len(message.content)
        return characters

    def to_arrow(self) -> pa.ListArray:
        import pyarrow as pa

        kind = _conversation_type()
        messages = pa.StructArray.from_arrays(
            [pa.array(self.roles, pa.string()), pa.array(self.contents, pa.string())], fields=list(kind.value_type)
        )
        offsets = pa.array([*self.starts, len(self.roles)], pa.int32())
        return pa.ListArray.from_arrays(offsets, messages, type=kind)


@dataclass(slots=True)
class _RowGroup:
    """Rows on their way into the file, from number `first` on.

    Of a pair only texts and plain tuples are kept: the garbage collector looks at neither again, and would at pairs.
    """

    first: int
    prompts: _Column = field(default_factory=_Column)
    chosen: _Column = field(default_factory=_Column)
    rejected: _Column = field(default_factory=_Column)
    others: list[tuple[Any, ...]] = field(default_factory=list)
    characters: int = 0

    @property
    def full(self) -> bool:
        return len(self.others) >= ROWS_PER_GROUP or self.characters >= CHARACTERS_PER_GROUP

    def append(self, pair: Pair, split: str) -> None:
        extra = as_json(dict(pair.extra)) if pair.extra else "{}"
        self.characters += self.prompts.append(pair.prompt) + self.chosen.append(pair.chosen)
        self.characters += self.rejected.append(pair.rejected) + len(extra)
        numbers = (pair.weight, pair.label, pair.margin)
        facts = (pair.annotator or None, pair.source or None, pair.position or None, pair.at or None)
        self.others.append((pair.line, split, *numbers, *facts, pair.tags, extra))

    def to_arrow(self) -> pa.RecordBatch:
        import pyarrow as pa

        numbers = pa.array(range(self.first, self.first + len(self.others)), pa.int64())
        texts = [column.to_arrow() for column in (self.prompts, self.chosen, self.rejected)]
        _, line, _, _, _, *kinds = schema().types
        values = zip([line, *kinds], zip(*self.others, strict=True), strict=True)
        lines, *others = (pa.array(column, kind) for kind, column in values)
        return pa.RecordBatch.from_arrays([numbers, lines, *texts, *others], schema=schema())
