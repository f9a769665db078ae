"""Tables as text: CSV with its delimiter, quotes and line ends as they come, TSV among them.

Cells are text, empty ones too, and a number is one only where it is asked for (`Cell`); a cell that holds a JSON list
or object is that value. Rows are read by the standard library's parser in strict mode; a row with a stray quote,
another number of cells than the header, bytes that are not UTF-8, or too many bytes is refused, and the next line is
read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from pydantic_core import from_json

from training.preferences.records import Problem, Refusal
from training.preferences.sources.files import UTF8_MARK, OpenedFile, TextSource
from training.preferences.sources.rows import MIB, Cell, SourceRow, UnreadableFile, not_utf8, printable, too_long

DELIMITERS = (",", "\t", ";", "|")
QUOTE = b'"'
NUMBER, LONGEST_NUMBER = re.compile(r"\s*|\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII), 32
ESCAPED_QUOTE = re.compile(rb'\\"(?![,;|\s])')


def header_of(head: bytes, delimiter: str) -> list[str]:
    """The names in the first row of a table, as far as they can be read."""
    text = head.removeprefix(UTF8_MARK).decode(errors="replace")
    rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    try:
        return [name.strip() for name in next(rows, [])]
    except csv.Error:
        return []


def delimiter_of(head: bytes) -> str:
    """The delimiter that divides the header into most names, or nothing where none divides it."""
    found = {delimiter: len(header_of(head, delimiter)) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: found[delimiter])
    return best if found[best] > 1 else ""


def escapes_quotes(head: bytes) -> bool:
    """Whether quotes within cells have a backslash before them, as databases write them, instead of being doubled."""
    return len(ESCAPED_QUOTE.findall(head)) > ESCAPED_QUOTE.sub(b"", head).count(QUOTE * 2)


class Lines:
    """The lines of one record after the other, as text for csv.reader; holds at most `limit` bytes of a record."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self.stream = stream
        self.limit = limit
        self.count = 0
        self.begin_record()

    def begin_record(self) -> None:
        self.first = self.count + 1
        self.size = 0
        self.quotes = 0
        self.raw: list[bytes] = []

    def __iter__(self) -> Iterator[str]:
        while line := self._line():
            if self.size > self.limit:
                raise RecordTooLong
            yield line.decode(errors="surrogateescape")

    def _line(self) -> bytes:
        line = self.stream.readline(self.limit + 1)
        if line:
            if self.count == 0:
                line = line.removeprefix(UTF8_MARK) or b"\n"
            self.count += 1
            self.size += len(line)
            self.quotes += line.count(QUOTE)
            if self.size <= self.limit or not self.raw:
                self.raw.append(line)
            if len(line) > self.limit and not line.endswith(b"\n"):
                self._skip_line()
        return line

    def _skip_line(self) -> None:
        while chunk := self.stream.readline(MIB):
            self.size += len(chunk)
            self.quotes += chunk.count(QUOTE)
            if chunk.endswith(b"\n"):
                break

    def skip_record(self) -> None:
        """Goes to the end of a record that is too long: the first line end outside of quotes."""
        while self.quotes % 2:
            if not self._line():
                raise unclosed(self.first)


class RecordTooLong(Exception):
    """The record holds more bytes than are read."""


def unclosed(line: int) -> UnreadableFile:
    return UnreadableFile(
        f"A quoted cell in the row that begins in line {line:,} is never closed, so it takes in the rest of the file. "
        "Add the missing quote, or export the table again."
    )


class Table(TextSource):
    """The rows of a CSV or TSV file with a header."""

    kind = "csv"

    def __init__(self, opened: OpenedFile, delimiter: str) -> None:
        super().__init__(opened)
        # The parser's limit holds for the whole process and is there against endless cells; `Lines` sees to that.
        csv.field_size_limit(max(csv.field_size_limit(), self.limit))
        self.lines = Lines(self.stream, self.limit)
        backslash = escapes_quotes(opened.head)
        self.dialect: dict[str, Any] = {
            "delimiter": delimiter,
            "strict": True,
            "escapechar": "\\" if backslash else None,
            "doublequote": not backslash,
        }
        self.names: list[str] = []

    def __iter__(self) -> Iterator[SourceRow | Refusal]:
        while (cells := self._record()) is not None:
            if isinstance(cells, Refusal):
                self.rows += 1
                yield cells
            elif not cells or (len(cells) == 1 and not cells[0].strip()):
                self.blank += 1
            elif not self.names:
                self.names = _checked_names(cells)
            else:
                self.rows += 1
                yield self._row(cells)

    def _record(self) -> list[str] | Refusal | None:
        """The next record's cells, a refusal, or None at the end."""
        lines = self.lines
        lines.begin_record()
        try:
            # A parser of its own for every record: one that has failed would begin the next row with its leftovers.
            return next(csv.reader(lines, **self.dialect), None)
        except RecordTooLong:
            lines.skip_record()
            return too_long(lines.first, lines.size, self.limit, b"".join(lines.raw))
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise unclosed(lines.first) from error
            reason = "A quote stands where none may: quotes within a quoted cell are doubled."
            if "new-line" in str(error):
                reason = "A line end without a line feed stands outside of quotes: save the file with usual line ends."
            return self._refuse(Problem.CELLS, reason)

    def _row(self, cells: list[str]) -> SourceRow | Refusal:
        if len(cells) != len(self.names):
            there = f"{len(cells):,} cell{'s' * (len(cells) != 1)}"
            reason = f"The row has {there}, the header {len(self.names):,}. Put quotes around text with commas."
            return self._refuse(Problem.CELLS, reason)
        text = b"".join(self.lines.raw)
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError as error:
                return self._refuse(Problem.ENCODING, not_utf8(text, error))
        if b"\0" in text:
            return self._refuse(
                Problem.ENCODING, "The row holds NUL bytes, which no text does. The file may be damaged."
            )
        return SourceRow(self.lines.first, dict(zip(self.names, map(cell_value, cells), strict=True)))

    def _refuse(self, problem: Problem, reason: str) -> Refusal:
        return Refusal(self.lines.first, problem, reason, printable(b"".join(self.lines.raw).rstrip(b"\r\n")))


def _checked_names(cells: list[str]) -> list[str]:
    names = [name.strip() for name in cells]
    repeated = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if repeated is not None:
        said = f"two columns named {repeated[:60]!r}" if repeated else "two columns without a name"
        raise UnreadableFile(f"The table has {said}. Give every column a name of its own in the first line.")
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise UnreadableFile("The header of the table is not valid UTF-8. Save the file as UTF-8.") from error
    return names


def cell_value(cell: str) -> Any:
    """The JSON list or object that a cell holds, else its text, as a Cell where it may be a number."""
    if len(cell) <= LONGEST_NUMBER and NUMBER.fullmatch(cell):
        return Cell(cell)
    if cell[:1] in ("[", "{") and cell.rstrip()[-1:] in ("]", "}"):
        try:
            return from_json(cell, allow_inf_nan=False)
        except ValueError:
            return cell
    return cell
