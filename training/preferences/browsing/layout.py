"""The file of an index: an SQLite database, written aside and put in its place when it is whole.

    facts     what is known of the whole, as JSON
    columns   one array per measure or name, a value per row
    names     what the numbers of a column of names stand for
    tags      rows that the source tagged so, ascending
    blocks    the rows themselves, some at a time: the number of the first, and their values as JSON in zstd
    words     full text (FTS5) of every row, without the texts themselves

A writer holds a lock on a small file beside it that says how far it is; what a killed writer left has no lock, and the
next writer for the same version removes it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import numpy as np

from training.preferences.partials import is_held

# To be raised whenever the tables or the meaning of a part change: indexes are then made anew.
FORMAT = 3
PROGRESS = np.dtype("<u8")
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
    """Writes an index: a context manager that leaves nothing behind unless published."""

    def __init__(self, path: Path, rows: int) -> None:
        """`path` is the sealed file's."""
        remove_abandoned(path)
        self.path = path
        self.rows = rows
        self.lock = path.with_name(f".{path.stem}.browse-{uuid4().hex}.lock")
        self.partial = _partial(self.lock)

    def __enter__(self) -> Self:
        self._lock = self.lock.open("xb+")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.say(0)
        self._database = sqlite3.connect(self.partial, isolation_level=None)
        self._database.executescript(TABLES)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self.partial.unlink(missing_ok=True)
        self.lock.unlink(missing_ok=True)
        self._lock.close()
        if isinstance(error, sqlite3.OperationalError):
            full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
            raise OSError(errno.ENOSPC if full else errno.EIO, str(error), str(self.partial)) from error

    def say(self, done: int) -> None:
        """Let others see how many rows are done."""
        os.pwrite(self._lock.fileno(), np.array([done, self.rows], PROGRESS).tobytes(), 0)

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
        with self.partial.open("rb") as file:
            os.fsync(file.fileno())
        target = index_path(self.path)
        os.replace(self.partial, target)
        for other in self.path.parent.glob(f"{self.path.stem}.browse-*.*"):
            if other != target:
                other.unlink(missing_ok=True)
        return target

    def _insert(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        for row in rows:
            self._database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


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
    for lock in _locks(path):
        try:
            with lock.open("rb") as file:
                if is_held(file):
                    done, rows = np.frombuffer(file.read(16), PROGRESS).tolist()
                    return done, rows
        except (OSError, ValueError):
            continue  # It ended just now, or has only begun.
    return None


def remove_abandoned(path: Path) -> None:
    """Remove what killed writers left for a sealed file."""
    for lock in _locks(path):
        try:
            with lock.open("rb") as file:
                if not is_held(file):
                    _partial(lock).unlink(missing_ok=True)
                    lock.unlink(missing_ok=True)
        except OSError:
            continue
    for partial in path.parent.glob(f".{path.stem}.browse-*.partial"):
        if not partial.with_suffix(".lock").exists():
            partial.unlink(missing_ok=True)


def _locks(path: Path) -> Iterable[Path]:
    return path.parent.glob(f".{path.stem}.browse-*.lock")


def _partial(lock: Path) -> Path:
    return lock.with_suffix(".partial")
