"""Which reader a file needs: its content says so, and its name where the content leaves it open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from training.preferences.sources.files import PARQUET, UTF8_MARK, OpenedFile, open_file
from training.preferences.sources.json_arrays import JsonArray, JsonColumns, is_columns
from training.preferences.sources.json_lines import JsonLines
from training.preferences.sources.parquet import opened_parquet
from training.preferences.sources.rows import Limits, Source
from training.preferences.sources.tables import Table, delimiter_of

DEFAULT = Limits()
NAMES_OF_LINES = (".jsonl", ".ndjson", ".jsonlines")
NAMES_OF_TABLES = (".csv", ".tsv", ".tab")


@contextmanager
def open_source(path: Path, *, name: str = "", limits: Limits = DEFAULT) -> Iterator[Source]:
    """The rows of a file, whatever it is written and packed in; `name` is its name where it was uploaded under another.

    Raises UnreadableFile when nothing here can read the file, FileNotFoundError when there is none.
    """
    opened = open_file(path, name, limits)
    with opened.file:
        if opened.head.startswith(PARQUET):
            with opened_parquet(opened) as source:
                yield source
        else:
            yield reader(opened)


def is_parquet(path: Path, *, name: str = "") -> bool:
    """Whether a file, unpacked, says that it is Parquet, which is read by Arrow; raises as `open_source`."""
    opened = open_file(path, name, DEFAULT)
    with opened.file:
        return opened.head.startswith(PARQUET)


def reader(opened: OpenedFile) -> Source:
    """The reader for a text."""
    text = opened.head.removeprefix(UTF8_MARK).lstrip()
    if text[:1] in (b"[", b"{"):
        return _json(opened, text)
    delimiter = delimiter_of(text)
    if opened.name.endswith(NAMES_OF_TABLES):
        return Table(opened, delimiter or ",")
    if opened.name.endswith(NAMES_OF_LINES) or not delimiter or _holds_objects(text):
        return JsonLines(opened)
    return Table(opened, delimiter)


def _holds_objects(text: bytes) -> bool:
    """Whether some line is a JSON object: a file of them whose first line is broken."""
    return any(isinstance(_parsed(line), dict) for line in text.splitlines())


def _json(opened: OpenedFile, text: bytes) -> Source:
    """One document or one per line? What begins several is no document, and the other way round."""
    first, _, rest = text.partition(b"\n")
    if not _begins_document(text):
        one = text[:1] == b"[" or _begins_document(first)
        lines = opened.name.endswith(NAMES_OF_LINES) or _parsed(first) is not None
        lines = lines or (first.strip() not in (b"[", b"{") and _holds_objects(rest))
        return JsonLines(opened) if lines or not one else JsonArray(opened)
    if text[:1] == b"[":
        return JsonArray(opened)
    document: dict[str, Any] = _parsed(text, partial=True) or {}
    if is_columns(document):
        return JsonColumns(opened)
    if b"\n" in text.rstrip() or (opened.name.endswith(".json") and _holds_rows(document)):
        return JsonArray(opened)
    return JsonLines(opened)


def _begins_document(text: bytes) -> bool:
    """Whether the text can be the start of one JSON document."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":  # the head ends within a character
            text = text[: error.start]
    try:
        from_json(text)
    except ValueError as error:
        return str(error).startswith("EOF")
    return True


def _holds_rows(document: dict[str, Any]) -> bool:
    """Whether exactly one member is a list of objects that are no messages."""
    lists = [value for value in document.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
    return len(lists) == 1 and "role" not in lists[0][0]


def _parsed(text: bytes, *, partial: bool = False) -> Any:
    """The value, None where there is none; `partial` takes the start of a document for it."""
    try:
        return from_json(text, allow_partial="trailing-strings" if partial else False)
    except ValueError:
        return None
