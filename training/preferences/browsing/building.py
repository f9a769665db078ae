"""Makes the index of a sealed version: one pass, in bounded memory.

Beside measures and words it holds the rows themselves in small compressed blocks, since a row group of the sealed file
is 16,384 rows.
"""

from __future__ import annotations

import json
import math
import shutil
from array import array
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from training.preferences import store
from training.preferences.browsing.layout import IndexWriter, index_path, writing
from training.preferences.browsing.words import BETWEEN, cut

ROWS_PER_BLOCK = 32
# Reading one row opens its block, so a few rows of a megabyte each do not share one.
CHARACTERS_PER_BLOCK = 2**20
MEASURES = ("prompt_length", "chosen_length", "rejected_length", "length_difference", "weight", "label", "margin")
NAMES = ("split", "annotator", "source")
LISTED = 50
# An index takes up to about so many times the sealed file's size.
ROOM_PER_BYTE = 6

Progress = Callable[[int, int], None]
Record = dict[str, Any]
"""A row of the sealed file: the value of every column by its name."""


class NoRoom(OSError):
    """There is too little room on the disk for the index."""


def build(path: Path, progress: Progress = lambda done, rows: None) -> Path:
    """The index of a sealed file, made anew; `progress` is told rows done and rows in all. Raises NoRoom, OSError."""
    if missing := lacking_room(path):
        raise NoRoom(missing)
    with store.records(path) as (rows, names, batches), writing(path, rows) as writer:
        columns, blocks = _Columns(), _Blocks(writer)
        for batch in batches:
            for values in batch:
                record = dict(zip(names, values, strict=True))
                texts = [_text(record[side]) for side in ("prompt", "chosen", "rejected")]
                writer.add_words(columns.rows, f" {BETWEEN} ".join(" ".join(cut(text)) for text in texts))
                columns.add(record, _content(record))
                blocks.add(values, sum(map(len, texts)))
            writer.say(columns.rows)
            progress(columns.rows, rows)
        blocks.flush()
        columns.finish(writer)
        return writer.publish({"rows": columns.rows, "listed": columns.listed, "columns": names})


def _content(record: Record) -> int:
    """A number that is the same for rows with the same texts (64 bits of BLAKE2b)."""
    said = json.dumps([record[side] for side in ("prompt", "chosen", "rejected")], ensure_ascii=False)
    return int.from_bytes(blake2b(said.encode(), digest_size=8).digest())


def _text(turns: list[dict[str, str]] | None) -> str:
    """What the turns say, with blank lines between them."""
    return "\n\n".join(turn["content"] for turn in turns or [])


def lacking_room(path: Path) -> str:
    """A sentence when the disk has too little room for an index of this file; else empty."""
    free = shutil.disk_usage(path.parent).free
    need = path.stat().st_size * ROOM_PER_BYTE
    if free >= need:
        return ""
    return f"The disk has {free / 1e9:.1f} GB left; the index of these rows may take {need / 1e9:.1f} GB. Make room."


class _Blocks:
    """The rows as they were sealed, in blocks that are quick to open."""

    def __init__(self, writer: IndexWriter) -> None:
        import zstandard

        self.writer = writer
        self.compressor = zstandard.ZstdCompressor(level=3)
        self.first, self.characters = 0, 0
        self.rows: list[tuple[Any, ...]] = []

    def add(self, values: tuple[Any, ...], characters: int) -> None:
        if len(self.rows) == ROWS_PER_BLOCK or self.characters + characters > CHARACTERS_PER_BLOCK:
            self.flush()
        self.rows.append(values)
        self.characters += characters

    def flush(self) -> None:
        if self.rows:
            data = json.dumps(self.rows, ensure_ascii=False, separators=(",", ":")).encode()
            self.writer.add_block(self.first, self.compressor.compress(data))
        self.first += len(self.rows)
        self.rows, self.characters = [], 0


class _Columns:
    """Measures and names of every row; some 50 bytes each are kept until the end."""

    def __init__(self) -> None:
        self.rows = 0
        self.measures = {name: array("f") for name in MEASURES}
        self.codes = {name: array("i") for name in NAMES}
        self.names: dict[str, dict[str, int]] = {name: {} for name in NAMES}
        self.contents = array("Q")
        self.tags: dict[str, array[int]] = {}
        self.listed: dict[str, list[str]] = {}

    def add(self, record: Record, content: int) -> None:
        self.contents.append(content)
        for name, value in zip(MEASURES, _measures(record), strict=True):
            self.measures[name].append(value)
        for name, known in self.names.items():
            value = record[name]
            self.codes[name].append(-1 if value is None else known.setdefault(value, len(known)))
        for tag in set(record["tags"] or ()):
            self.tags.setdefault(tag, array("q")).append(self.rows)
        self.rows += 1

    def finish(self, writer: IndexWriter) -> None:
        for name, values in self.measures.items():
            writer.add_column(name, np.array(values))
        writer.add_column("content", np.array(self.contents))
        for name, codes in self.codes.items():
            writer.add_column(name, np.array(codes))
            writer.add_names(name, self.names[name])
            frequent = Counter(code for code in codes if code >= 0).most_common(LISTED)
            values_of = list(self.names[name])
            self.listed[name] = [values_of[code] for code, _ in frequent]
        self.listed["tag"] = sorted(self.tags, key=lambda tag: -len(self.tags[tag]))[:LISTED]
        for tag, rows in self.tags.items():
            writer.add_tag(tag, np.array(rows))


def _measures(record: Record) -> tuple[float, ...]:
    """One value for each of MEASURES, NaN where there is none."""
    prompt, chosen = (_characters(record[side]) for side in ("prompt", "chosen"))
    rejected = math.nan if record["rejected"] is None else float(_characters(record["rejected"]))
    margin = math.nan if record["margin"] is None else record["margin"]
    return prompt, chosen, rejected, chosen - rejected, record["weight"], record["label"], margin


def _characters(turns: list[dict[str, str]]) -> int:
    return sum(len(turn["content"]) for turn in turns)


def ensure(path: Path) -> Path:
    """The index of a sealed file, made if it is missing. Raises as `build`."""
    target = index_path(path)
    return target if target.exists() else build(path)
