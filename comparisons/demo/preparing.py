"""What `make demo` does while it prepares the workspace, for the home page: a line in a file.

The file is locked as long as that goes on. One that a killed guide left has no lock, and says nothing.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from training.preferences.partials import is_in_work

BYTES = 400  # of a line; always as many, so that one write replaces the line before


def _file() -> Path:
    return Path(settings.HOME) / "demo" / "preparing"


@contextmanager
def preparing(tell: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """A `tell` that also keeps the line it was given last, for as long as the demo is being prepared."""
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def tell_and_keep(line: str) -> None:
            tell(line)
            file.seek(0)
            file.write(line.encode()[:BYTES].ljust(BYTES))

        try:
            yield tell_and_keep
        finally:
            path.unlink(missing_ok=True)


def told() -> str | None:
    """The line that was told last, empty before the first; None when nobody prepares a demo."""
    path = _file()
    if not is_in_work(path):
        return None
    try:
        return path.read_bytes().decode(errors="ignore").strip()
    except FileNotFoundError:  # it has just become ready
        return None
