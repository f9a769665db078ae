"""A file as every reader sees it: opened, watched for changes, unpacked, in UTF-8, with its progress."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from training.preferences.sources.packing import BUFFER, as_stream, as_utf8, encoding, packing, unpacked
from training.preferences.sources.rows import MIB, Limits, UnreadableFile, Watch

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEAD = 64 * 1024
PARQUET = b"PAR1"
# Of this start at least this share is no control character, in any text.
BYTES_LOOKED_AT, LEAST_TEXT = 4096, 0.9
CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r\f")
BYTES_BETWEEN_LOOKS = 64 * MIB
UTF8_MARK = b"\xef\xbb\xbf"
ENDINGS_OF_PACKINGS = (".gz", ".bz2", ".xz", ".zst", ".zip")

# The first bytes of files that people send by mistake, with what to do about it.
FOREIGN_FILES = (
    (b"%PDF", "a PDF document. Save its text as CSV or JSON Lines"),
    (b"SQLite format 3", "an SQLite database. Export the table as CSV or JSON Lines"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive. Unpack it and import the file inside"),
    (b"Rar!", "a RAR archive. Unpack it and import the file inside"),
    (b"ARROW1", "an Arrow (Feather) file. Save it as Parquet"),
    (b"\x80\x04\x95", "a Python pickle, which may run programs when it is opened. Save the data as JSON Lines"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)


class WatchedFile(io.FileIO):
    """A file that looks at itself now and then: raises ChangedWhileRead when it is not what it was."""

    def __init__(self, path: Path) -> None:
        self.watch = Watch(path)
        super().__init__(path)
        self.total = path.stat().st_size
        self.until_look = BYTES_BETWEEN_LOOKS

    def readinto(self, buffer: WriteableBuffer) -> int:
        count = super().readinto(buffer) or 0
        self.until_look -= count
        if self.until_look <= 0 or not count:
            self.watch.check()
            self.until_look = BYTES_BETWEEN_LOOKS
        return count


@dataclass
class OpenedFile:
    """A file ready to be read: `stream` is its content, unpacked and in UTF-8, of which `head` is the start."""

    file: WatchedFile
    stream: io.BufferedReader[Any]
    head: bytes
    name: str
    packed: bool
    limits: Limits
    beneath: tuple[BinaryIO, ...]  # streams that close the file when nobody holds them any more


def open_file(path: Path, name: str, limits: Limits) -> OpenedFile:
    """Opens and unpacks; raises UnreadableFile for what is not a readable file, FileNotFoundError for none at all."""
    file = _watched(path)
    try:
        return _unpack(file, name or path.name, limits)
    except BaseException:
        file.close()
        raise


def _watched(path: Path) -> WatchedFile:
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "not a file"
        raise UnreadableFile(f"{path.name} is {what}. Name one file; a data set of several files is opened as a whole.")
    try:
        return WatchedFile(path)
    except PermissionError as error:
        raise UnreadableFile(f"{path.name} may not be read by this program. Change its permissions.") from error


def _unpack(file: WatchedFile, name: str, limits: Limits) -> OpenedFile:
    stream: io.BufferedReader[Any] = io.BufferedReader(file, BUFFER)
    beneath = [stream]
    head = stream.peek(HEAD)[:HEAD]
    name = name.casefold()
    if packed := packing(head):
        pieces, inside = unpacked(stream, packed, file.total, limits)
        name = inside.casefold() or _without_ending(name)
        stream = as_stream(pieces)
        beneath.append(stream)
        head = stream.peek(HEAD)[:HEAD]
        if packing(head):
            raise UnreadableFile("The archive holds another archive. Unpack it and import the file inside.")
    if text := encoding(head):
        stream = as_stream(as_utf8(stream, text))
        beneath.append(stream)
        head = stream.peek(HEAD)[:HEAD]
    _refuse_foreign(head)
    return OpenedFile(file, stream, head, name, bool(packed), limits, tuple(beneath))


def _without_ending(name: str) -> str:
    return next((name.removesuffix(ending) for ending in ENDINGS_OF_PACKINGS if name.endswith(ending)), name)


def _refuse_foreign(head: bytes) -> None:
    if not head:
        raise UnreadableFile("The file is empty.")
    for magic, description in FOREIGN_FILES:
        if head.startswith(magic):
            raise UnreadableFile(f"This is {description}.")
    if head[257:262] == b"ustar":
        raise UnreadableFile("This is a tar archive. Unpack it and import the files inside one by one.")
    start = head[:BYTES_LOOKED_AT]
    if not start.startswith(PARQUET) and len(start.translate(None, CONTROLS)) < LEAST_TEXT * len(start):
        raise UnreadableFile("The file is not text, or text in UTF-16 without a byte order mark. Save it as UTF-8.")


class TextSource:
    """What readers of text share: counts, and progress by the place in the file."""

    kind = ""

    def __init__(self, opened: OpenedFile) -> None:
        self.file = opened.file
        self.stream: BinaryIO = opened.stream
        self.limit = opened.limits.row
        self.rows = 0
        self.blank = 0

    @property
    def bytes(self) -> int:
        return self.file.tell()

    @property
    def bytes_total(self) -> int:
        return self.file.total


def without_mark(stream: BinaryIO) -> Iterator[bytes]:
    """Pieces of the stream, less the byte order mark of UTF-8."""
    first = stream.read(BUFFER).removeprefix(UTF8_MARK)
    if first:
        yield first
    while piece := stream.read(BUFFER):
        yield piece
