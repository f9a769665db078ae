"""Files in the making: hidden, and locked as long as their writer lives.

What a killed writer left is a file without a lock, which the next writer removes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4


@contextmanager
def unfinished(path: Path) -> Iterator[IO[bytes]]:
    """A file to be written that will stand at `path`; gone at the end unless `publish` put it there."""
    partial = path.with_name(f".{path.name}-{uuid4().hex}.partial")
    with partial.open("xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield file
        finally:
            partial.unlink(missing_ok=True)


def publish(file: IO[bytes], path: Path) -> None:
    """Put a file of `unfinished` in its place, durably."""
    file.flush()
    os.fsync(file.fileno())
    os.replace(file.name, path)


@contextmanager
def scratch(path: Path, purpose: str) -> Iterator[Path]:
    """An empty hidden folder beside `path`, gone at the end with all that is in it."""
    remove_abandoned(path.parent, f".{path.stem}.{purpose}-*.partial")
    folder = path.with_name(f".{path.stem}.{purpose}-{uuid4().hex}.partial")
    folder.mkdir()
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove the files and folders of this pattern whose writers are gone."""
    for partial in folder.glob(pattern):
        try:
            handle = os.open(partial, os.O_RDONLY)
        except OSError:
            continue  # its writer has just put it in its place, or removed it
        try:
            if is_held(handle):
                continue
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
            else:
                partial.unlink(missing_ok=True)
        finally:
            os.close(handle)


def is_held(file: int | IO[bytes]) -> bool:
    """Whether somebody has locked an open file; if not, this handle holds it from now on."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def is_in_work(partial: Path) -> bool:
    """Whether a file or folder in the making has a writer that lives."""
    try:
        handle = os.open(partial, os.O_RDONLY)
    except OSError:
        return False
    try:
        return is_held(handle)
    finally:
        os.close(handle)
