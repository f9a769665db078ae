"""The file of an index: an SQLite database, written aside and put in its place when it is whole.

    facts     what is known of the whole, as JSON
    columns   one array per measure or name, a value per row
    names     what the numbers of a column of names stand for
    tags      rows that the source tagged so, ascending
    blocks    the rows themselves, some at a time: the number of the first, and their values as JSON in zstd
    words     full text (FTS5) of every row, without the texts themselves

It is written in a folder of its own (partials.scratch), where a small file says how far it is.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from training.preferences.partials import is_in_work, scratch

# To be raised whenever the tables or the meaning of a part change: indexes are then made anew.
FORMAT = 4
PURPOSE = "browse"
PROGRESS = "progress"
PAGE_BYTES = 8_192
# The ASCII tokenizer cuts at what is not a letter or digit and leaves other scripts alone: texts come cut into words.
TABLES = f"""
PRAGMA page_size = {PAGE_BYTES};
PRAGMA journal_mode = off;
PRAGMA synchronous = off;
PRAGMA cache_size = -65536;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE columns (name TEXT PRIMARY KEY, kind TEXT NOT NULL, array BLOB NOT NULL);
CREATE TABLE names (of TEXT, name TEXT, code INTEGER NOT NULL, PRIMARY KEY (of, name)) WITHOUT ROWID;
CREATE TABLE tags (tag TEXT PRIMARY KEY, rows BLOB NOT NULL);
CREATE TABLE blocks (first INTEGER PRIMARY KEY, rows BLOB NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0, tokenize='ascii');
INSERT INTO words (words, rank) VALUES ('hashsize', 67108864);
BEGIN;
"""

Array = np.ndarray[Any, Any]


def index_path(path: Path) -> Path:
    """Where the index of a sealed file stands, or would stand."""
    return path.with_suffix(f".browse-{FORMAT}.sqlite")


class IndexWriter:
    """Writes an index in a locked folder beside the sealed file, whose path is `path`; `rows` is how many it has."""

    def __init__(self, path: Path, rows: int, folder: Path) -> None:
        self.path, self.rows, self.folder = path, rows, folder
        self._partial = folder / "index.sqlite"
        self._database = sqlite3.connect(self._partial, isolation_level=None)
        self._database.executescript(TABLES)
        self.say(0)

    def close(self) -> None:
        self._database.close()

    def say(self, done: int) -> None:
        """Let others see how many rows are done."""
        (self.folder / PROGRESS).write_text(f"{done} {self.rows}")

    def add_column(self, name: str, array: Array) -> None:
        """One value per row, under a name."""
        self._insert("columns", [(name, array.dtype.str, np.ascontiguousarray(array).data)])

    def add_names(self, column: str, names: Iterable[str]) -> None:
        """What the numbers of a column stand for, from 0 on."""
        self._insert("names", ((column, name, code) for code, name in enumerate(names)))

    def add_tag(self, tag: str, rows: Array) -> None:
        self._insert("tags", [(tag, np.asarray(rows, np.int64).data)])

    def add_block(self, first: int, data: bytes) -> None:
        """Rows from `first` on."""
        self._insert("blocks", [(first, data)])

    def add_words(self, row: int, text: str) -> None:
        """What a row says, cut into words with a space between them."""
        self._database.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", [row, text])

    def publish(self, facts: Mapping[str, Any]) -> Path:
        """End the file, put it in its place, and remove those of older formats."""
        self._insert("facts", ((name, json.dumps(value)) for name, value in facts.items()))
        self._database.execute("COMMIT")
        self._database.execute("INSERT INTO words (words) VALUES ('optimize')")
        self._database.close()
        with self._partial.open("rb") as file:
            os.fsync(file.fileno())
        target = index_path(self.path)
        os.replace(self._partial, target)
        for other in self.path.parent.glob(f"{self.path.stem}.browse-*.*"):
            if other != target:
                other.unlink(missing_ok=True)
        return target

    def _insert(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        for row in rows:
            self._database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


@contextmanager
def writing(path: Path, rows: int) -> Iterator[IndexWriter]:
    """A writer of the index of a sealed file, of which nothing is left unless it was published. Raises OSError."""
    try:
        with scratch(path, PURPOSE) as folder, closing(IndexWriter(path, rows, folder)) as writer:
            yield writer
    except sqlite3.OperationalError as error:
        full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error), path.name) from error


class IndexFile:
    """An index on disk. Every question opens it anew, which is quick, so that any thread may ask."""

    def __init__(self, path: Path) -> None:
        """Raises ValueError when the file is not a whole index of this format, OSError when it cannot be read."""
        size = path.stat().st_size
        # Nobody writes to a file that stands in its place.
        self.address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        try:
            with self.opened() as database:
                [(pages,)] = database.execute("PRAGMA page_count")
                if pages * PAGE_BYTES != size:
                    raise ValueError(f"{path.name} is not whole.")
                said = dict(database.execute("SELECT name, value FROM facts"))
        except sqlite3.Error as error:
            raise ValueError(f"{path.name} is not an index of rows: {error}") from None
        self.facts: dict[str, Any] = {name: json.loads(value) for name, value in said.items()}

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.address, uri=True)) as database:
            yield database

    def column(self, name: str) -> Array:
        """One value per row. Raises KeyError."""
        with self.opened() as database:
            for kind, array in database.execute("SELECT kind, array FROM columns WHERE name = ?", [name]):
                return np.frombuffer(array, np.dtype(kind))
        raise KeyError(name)


def being_built(path: Path) -> tuple[int, int] | None:
    """(rows done, rows in all) of the index that somebody is writing for a sealed file; None when nobody is."""
    for folder in path.parent.glob(f".{path.stem}.{PURPOSE}-*.partial"):
        if is_in_work(folder):
            try:
                done, rows = map(int, (folder / PROGRESS).read_text().split())
                return done, rows
            except (OSError, ValueError):
                continue  # It ended just now, or has only begun.
    return None
