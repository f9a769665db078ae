"""What every source gives: rows as they were sent, refusals where there is no row, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from training.preferences.records import Problem, Refusal

MIB = 1024 * 1024
SHOWN_OF_LONG_ROW = 200


class UnreadableFile(ValueError):
    """The source as a whole, or what is left of it, cannot be read; the message is sentences for people."""


class ChangedWhileRead(UnreadableFile):
    """The file is not the one any more that reading began with, so its rows may be halves of two files."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may cost. Sizes are in bytes.

    A packed file whose content is more than `ratio` times its size is a zip bomb, once more than `ratio_from` bytes
    have come out of it; JSON Lines of real pairs shrink by 3 to 20.
    """

    row: int = 4 * MIB
    whole: int = 256 * MIB  # of JSON in columns, which no reader can take row by row
    ratio: int = 200
    ratio_from: int = 64 * MIB
    unpacked: int = 64 * 1024 * MIB

    def check_unpacked(self, unpacked: int, packed: int) -> None:
        """Raises UnreadableFile when so many bytes from a file of `packed` bytes are too many."""
        if unpacked > self.unpacked:
            raise UnreadableFile(
                f"The file unpacks to more than {self.unpacked / 1024 / MIB:,.0f} GiB, the most that is read. "
                "Split it and import the parts."
            )
        if unpacked > self.ratio_from and unpacked > self.ratio * packed:
            raise UnreadableFile(
                f"The file unpacks to more than {self.ratio} times its size, as files do that are made to fill disks. "
                "If it is meant so, unpack it and import the file inside."
            )


class SourceRow(NamedTuple):
    """A row as it was sent: JSON values by column.

    `line` is the row's first line in JSON Lines and CSV, else its position from 1.
    """

    line: int
    value: dict[str, Any]


class Cell(str):
    """A cell of a table that is empty or looks like a number; only its column's meaning says whether it is one."""

    __slots__ = ()

    @property
    def number(self) -> float | None:
        """The number written; None in an empty cell."""
        return float(self) if self.strip() else None


class Source(Protocol):
    """The rows of a file or data set: iterated once, in order, in bounded memory.

    `rows` counts what was yielded, `blank` what held nothing; `bytes` of `bytes_total` (as the file lies on disk; 0
    where nobody knows) have been read. What is left of a source that cannot be read raises UnreadableFile.
    """

    @property
    def kind(self) -> str:
        """jsonl, json, csv, parquet or hub."""

    @property
    def rows(self) -> int: ...

    @property
    def blank(self) -> int: ...

    @property
    def bytes(self) -> int: ...

    @property
    def bytes_total(self) -> int: ...

    def __iter__(self) -> Iterator[SourceRow | Refusal]: ...


def too_long(line: int, size: int, limit: int, start: bytes, unit: str = "row") -> Refusal:
    """The refusal of a row of `size` bytes, of which only the start was kept."""
    reason = f"The {unit} holds {size:,} bytes; at most {limit:,} are read."
    return Refusal(line, Problem.TOO_LONG, reason, printable(start[:SHOWN_OF_LONG_ROW]))


def printable(line: bytes) -> str:
    """The row's text; bytes that are not UTF-8, and NUL, appear as \\x escapes."""
    return line.decode(errors="backslashreplace").replace("\0", r"\x00")


def not_utf8(line: bytes, error: UnicodeDecodeError) -> str:
    """The sentence about bytes that are no UTF-8."""
    place = f"Byte {error.start + 1} of the row (0x{line[error.start]:02x}) is not valid UTF-8."
    return f"{place} Save the file as UTF-8."


class Watch:
    """Whether a file is still the one that was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stamp = self._stamp()

    def check(self) -> None:
        """Raises ChangedWhileRead if size, time of change or identity differ from those at the start."""
        if self._stamp() != self.stamp:
            raise ChangedWhileRead(
                "The file changed while it was read. Import it again when nothing writes to it any more."
            )

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return ()
        return found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev
