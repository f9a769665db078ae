"""JSON documents: a list of objects, an object that holds one (`{"data": […]}`), or an object of columns.

A list is cut into its elements by a search for brackets and quotes, and each element is read as if it stood on a line
of its own: a broken or huge one is refused and the next is read, which no streaming parser can do.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from typing import Any

from training.preferences.records import Problem, Refusal
from training.preferences.sources.files import OpenedFile, TextSource, without_mark
from training.preferences.sources.json_text import parse_row
from training.preferences.sources.rows import SHOWN_OF_LONG_ROW, SourceRow, UnreadableFile, printable, too_long

# A whole text, a text whose end is not in sight yet, or a bracket. Possessive, so that no text is searched twice.
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)
SPACE = b" \t\r\n"
SCALAR = re.compile(rb"[^,\]}\s]+")


class Document:
    """A place in a stream of JSON: cuts off one value at a time, holding at most `limit` bytes of it."""

    def __init__(self, pieces: Iterator[bytes], limit: int) -> None:
        self.pieces = pieces
        self.limit = limit
        self.text = b""
        self.at = 0
        self.passed = 0  # bytes before self.text

    @property
    def place(self) -> int:
        """The byte of the document, from 1, that comes next."""
        return self.passed + self.at + 1

    def more(self) -> bool:
        """Gets the next piece and forgets what has been read; False at the end."""
        piece = next(self.pieces, b"")
        self.passed += self.at
        self.text = self.text[self.at :] + piece
        self.at = 0
        return bool(piece)

    def peek(self) -> bytes:
        """The next byte that is not white space; nothing at the end."""
        while True:
            while self.at < len(self.text):
                byte = self.text[self.at : self.at + 1]
                if byte not in SPACE:
                    return byte
                self.at += 1
            if not self.more():
                return b""

    def take(self, wanted: bytes) -> bool:
        """Steps over the byte if it comes next."""
        if self.peek() != wanted:
            return False
        self.at += 1
        return True

    def value(self) -> tuple[bytes, int]:
        """The next value's text and its size; only the start of the text where the size exceeds the limit."""
        if self.peek() in (b"{", b"[", b'"'):
            return self.to_close(0)
        return self._scalar()

    def _scalar(self) -> tuple[bytes, int]:
        while True:
            found = SCALAR.match(self.text, self.at)
            if not found:
                return b"", 0
            if found.end() - self.at > self.limit:
                raise UnreadableFile(
                    f"What begins at byte {self.place:,} is neither a row nor a number. Mend the file."
                )
            if found.end() < len(self.text) or not self.more():
                break
        found = SCALAR.match(self.text, self.at)
        assert found is not None, "more() keeps what has not been read"
        self.at = found.end()
        return found[0], len(found[0])

    def to_close(self, depth: int) -> tuple[bytes, int]:
        """What comes next, to the quote or bracket that closes it and `depth` brackets which are open already."""
        begin, start = self.place, b""
        search = self.at
        while True:
            for token in TOKEN.finditer(self.text, search):
                mark = token[0]
                if mark == b'"':
                    search = token.start()  # a text that goes on in the next piece
                    break
                search = token.end()
                if mark in (b"{", b"["):
                    depth += 1
                elif mark in (b"}", b"]"):
                    depth -= 1
                if depth == 0:
                    size = self.passed + search + 1 - begin
                    text = start or self.text[self.at : search]
                    self.at = search
                    return text[:SHOWN_OF_LONG_ROW] if size > self.limit else text, size
            else:
                search = len(self.text)
            if len(self.text) - self.at > self.limit:
                start = start or self.text[self.at : self.at + SHOWN_OF_LONG_ROW]
                search = self._forget(search)
            kept = search - self.at
            if not self.more():
                raise UnreadableFile(
                    f"The file ends within what begins at byte {begin:,}: it was cut off, or a quote or bracket is "
                    "missing there. Send the whole file, or mend it."
                )
            search = kept

    def _forget(self, search: int) -> int:
        """Drops what has been searched, leaving a text that goes on as its quote and a backslash that is not over."""
        rest = self.text[search:]
        if rest:
            backslashes = len(rest) - len(rest.rstrip(b"\\"))
            rest = b'"' + b"\\" * (backslashes % 2)
        self.passed += len(self.text) - len(rest)
        self.text, self.at = rest, 0
        return 0


class JsonArray(TextSource):
    """The elements of the one list in a JSON document."""

    kind = "json"

    def __init__(self, opened: OpenedFile) -> None:
        super().__init__(opened)
        self.document = Document(without_mark(self.stream), self.limit)

    def __iter__(self) -> Iterator[SourceRow | Refusal]:
        if self.document.take(b"["):
            yield from self._elements()
        elif self.document.take(b"{"):
            yield from self._members()
        if self.document.peek():
            raise UnreadableFile(
                f"At byte {self.document.place:,} something follows after the end of the JSON document. "
                "Write one list with all rows, or one object per line."
            )

    def _members(self) -> Iterator[SourceRow | Refusal]:
        """The elements of the one list of objects among an object's members."""
        used = ""
        while not self.document.take(b"}"):
            name = self._name()
            if not self.document.take(b"["):
                if not self.document.value()[1]:
                    raise self._broken("a value")
            elif self.document.peek() != b"{":
                self.document.to_close(1)
            elif used:
                raise UnreadableFile(
                    f"The file holds several lists of rows: {used} and {name}. Import them as files of their own."
                )
            else:
                used = name
                yield from self._elements()
            if not self.document.take(b",") and self.document.peek() != b"}":
                raise self._broken("a comma or the closing }")
        if not used:
            raise UnreadableFile("The JSON object holds no list of objects. Write one list with an object per row.")

    def _name(self) -> str:
        if self.document.peek() != b'"':
            raise self._broken("a name in double quotes")
        name = printable(self.document.value()[0])[:60]
        if not self.document.take(b":"):
            raise self._broken("a colon")
        return name

    def _elements(self) -> Iterator[SourceRow | Refusal]:
        """Rows to the bracket that closes the list; a comma before it does no harm."""
        document, limit = self.document, self.limit
        while not document.take(b"]"):
            text, size = document.value()
            if not size:
                raise self._broken("a row or the closing ]")
            self.rows += 1
            yield too_long(self.rows, size, limit, text) if size > limit else parse_row(text, self.rows)
            if not document.take(b",") and document.peek() != b"]":
                raise self._broken("a comma or the closing ]")

    def _broken(self, wanted: str) -> UnreadableFile:
        document = self.document
        if not document.peek():
            return UnreadableFile(f"The file ends after row {self.rows:,}: it was cut off. Send the whole file.")
        found = printable(document.text[document.at : document.at + 12])
        return UnreadableFile(
            f"After row {self.rows:,}, at byte {document.place:,}, {wanted} was expected, found {found!r}; "
            "where further rows begin cannot be told. Mend the file there, or write one object per line."
        )


class JsonColumns(TextSource):
    """A JSON object of columns, lists or objects by row as pandas writes them; read whole, so only up to a limit."""

    kind = "json"

    def __init__(self, opened: OpenedFile) -> None:
        super().__init__(opened)
        self.whole = opened.limits.whole

    def __iter__(self) -> Iterator[SourceRow | Refusal]:
        columns = self._columns()
        for number, values in enumerate(zip(*columns.values(), strict=True), start=1):
            self.rows += 1
            yield SourceRow(number, dict(zip(columns, values, strict=True)))

    def _columns(self) -> dict[str, list[Any]]:
        text = self.stream.read(self.whole + 1)
        if len(text) > self.whole:
            raise UnreadableFile(
                f"JSON in columns is read up to {self.whole / 1024 / 1024:,.0f} MiB. Write one object per line."
            )
        found = parse_row(text.strip(), 1)
        if isinstance(found, Refusal):
            place = "" if found.problem == Problem.NOT_AN_OBJECT else " Mend the file there."
            raise UnreadableFile(found.reason.replace("The row", "The file") + place)
        columns = {name: _values(column) for name, column in found.value.items()}
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) != 1:
            said = ", ".join(f"{name[:40]} {length:,}" for name, length in list(lengths.items())[:12])
            raise UnreadableFile(f"The columns do not hold the same number of rows: {said}.")
        return columns


def _values(column: Any) -> list[Any]:
    return list(column.values()) if isinstance(column, dict) else column


def is_columns(document: builtins.dict[str, Any]) -> bool:
    """Whether an object's members are the columns of a table and not the fields of a row.

    A row may hold lists too, of messages; but a column holds texts, or lists of messages.
    """
    values = list(document.values())
    if not values or not all(isinstance(value, list | dict) and value for value in values):
        return False
    if all(isinstance(value, dict) for value in values):
        return all(next(iter(value)).isdigit() for value in values)  # pandas' numbers of rows
    firsts = [value[0] for value in values if isinstance(value, list)]
    return len(firsts) == len(values) and not all(isinstance(first, dict) for first in firsts)
