"""The index file: arrays one after the other, and a directory of them at the end.

    rows done and rows in all (two uint64, for whoever watches it being written)
    arrays, each from a multiple of 8 bytes on
    directory (JSON), its length (uint64), MAGIC

A file appears whole or not at all. It is written under a hidden name with a lock on it; what a killed writer left
is a file without a lock, which the next writer for the same version removes.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import numpy as np

# To be raised whenever the layout or the meaning of a part changes: indexes are then made anew.
FORMAT = 1
MAGIC = b"alignrow"
HEAD = np.dtype("<u8")

Array = np.ndarray[Any, Any]


def index_path(path: Path) -> Path:
    """Where the index of a sealed file stands, or would stand."""
    return path.with_suffix(f".browse-{FORMAT}.index")


class IndexWriter:
    """Writes an index: a context manager that leaves nothing behind unless published."""

    def __init__(self, path: Path, rows: int) -> None:
        """`path` is the sealed file's."""
        remove_abandoned(path)
        self.path = path
        self.rows = rows
        self.partial = path.with_name(f".{path.stem}.browse-{uuid4().hex}.partial")
        self.directory: dict[str, tuple[int, str, int]] = {}

    def __enter__(self) -> Self:
        self._file = self.partial.open("xb+")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._file.write(np.array([0, self.rows], HEAD).tobytes())
        self._file.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.partial.unlink(missing_ok=True)
        self._file.close()

    def add(self, name: str, array: Array | bytes) -> None:
        """Append an array (or bytes) under a name."""
        values = np.frombuffer(array, np.uint8) if isinstance(array, bytes) else np.ascontiguousarray(array)
        self._file.write(b"\0" * (-self._file.tell() % 8))
        self.directory[name] = (self._file.tell(), values.dtype.str, len(values))
        self._file.write(values.data)

    def append(self, data: bytes) -> int:
        """Append bytes that an array of places points at; returns their place."""
        place = self._file.tell()
        self._file.write(data)
        return place

    def say(self, done: int) -> None:
        """Let others see how many rows are done."""
        os.pwrite(self._file.fileno(), np.array([done], HEAD).tobytes(), 0)

    def publish(self, facts: Mapping[str, Any]) -> Path:
        """End the file, put it in its place, and remove those of older formats."""
        directory = json.dumps({"arrays": self.directory, **facts}).encode()
        self._file.write(directory + np.array([len(directory)], HEAD).tobytes() + MAGIC)
        self._file.flush()
        os.fsync(self._file.fileno())
        target = index_path(self.path)
        os.replace(self.partial, target)
        for other in self.path.parent.glob(f"{self.path.stem}.browse-*.index"):
            if other != target:
                other.unlink(missing_ok=True)
        return target


class IndexFile:
    """An index on disk, mapped into memory: reading touches only what is asked for."""

    def __init__(self, path: Path) -> None:
        """Raises ValueError when the file is not an index of this format, OSError when it cannot be read."""
        self.bytes: Array = np.memmap(path, np.uint8, mode="r")
        if self.bytes[-len(MAGIC) :].tobytes() != MAGIC:
            raise ValueError(f"{path.name} is not an index of rows.")
        length = int(self.bytes[-len(MAGIC) - 8 : -len(MAGIC)].view(HEAD)[0])
        end = len(self.bytes) - len(MAGIC) - 8
        self.facts: dict[str, Any] = json.loads(self.bytes[end - length : end].tobytes())
        self.arrays: dict[str, tuple[int, str, int]] = self.facts.pop("arrays")

    def __getitem__(self, name: str) -> Array:
        start, kind, length = self.arrays[name]
        dtype = np.dtype(kind)
        return self.bytes[start : start + length * dtype.itemsize].view(dtype)

    def between(self, start: int, end: int) -> bytes:
        return self.bytes[start:end].tobytes()


def being_built(path: Path) -> tuple[int, int] | None:
    """(rows done, rows in all) of the index that somebody is writing for a sealed file; None when nobody is."""
    for partial in path.parent.glob(f".{path.stem}.browse-*.partial"):
        try:
            with partial.open("rb") as file:
                if _is_held(file):
                    done, rows = np.frombuffer(file.read(16), HEAD).tolist()
                    return done, rows
        except (OSError, ValueError):
            continue  # It ended just now, or has only begun.
    return None


def remove_abandoned(path: Path) -> None:
    """Remove what killed writers left for a sealed file."""
    for partial in path.parent.glob(f".{path.stem}.browse-*.partial"):
        try:
            with partial.open("rb") as file:
                if not _is_held(file):
                    partial.unlink(missing_ok=True)
        except OSError:
            continue


def _is_held(file: Any) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
