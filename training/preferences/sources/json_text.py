"""One JSON object from bytes, or the reason why there is none, in words for people who wrote no parser."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic_core import from_json

from training.preferences.records import Problem, Refusal, RowProblem
from training.preferences.sources.rows import SourceRow, not_utf8, printable

# Rows with more columns are looked at by a parser that sees every name, instead of by a search for each.
MANY_COLUMNS = 24
_patterns: dict[str, bytes] = {}

# What the parser says at the first place where the text stops being JSON, and what people can do about it.
WORDS = (
    ("EOF while parsing a string", "it ends within a text; the row seems to be cut off"),
    ("EOF", "it ends too early; the row seems to be cut off"),
    ("trailing comma", "there is a comma with nothing after it"),
    ("trailing characters", "something follows after its end; every row needs a line of its own"),
    ("key must be a string", "a name in double quotes must stand here"),
    ("expected `:`", "a colon must stand between a name and its value"),
    ("expected `,` or `}`", "a comma or the closing } must stand here"),
    ("expected `,` or `]`", "a comma or the closing ] must stand here"),
    ("invalid number", "this is not a number as JSON writes them"),
    ("number out of range", "this number has too many digits"),
    (
        "control character",
        r"a line break, tab or other control character in a text must be written as \n, \t or \u00XX",
    ),
    ("invalid escape", r"after a backslash only \" \\ / b f n r t or u and four digits may follow"),
    ("unexpected end of hex escape", r"half of a character (\uD800 to \uDFFF) has no other half"),
    ("invalid unicode", "these bytes are no text"),
)
NOT_JSON_WORDS = {b"NaN": "null", b"Infinity": "null", b"None": "null", b"True": "true"}
NOT_JSON_WORDS |= {b"False": "false", b"undefined": "null"}


def parse_row(text: bytes, line: int) -> SourceRow | Refusal:
    """The JSON object that the text is, or a refusal naming the place where it stops being one."""
    try:
        return SourceRow(line, parse_object(text))
    except RowProblem as problem:
        return Refusal(line, problem.problem, str(problem), printable(text))


def parse_object(text: bytes) -> dict[str, Any]:
    """The JSON object that the text is; raises RowProblem.

    A name that stands twice in the object itself is refused, because a parser keeps either; within messages and other
    nested objects the last one counts.
    """
    try:
        row = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise syntax_problem(text, str(error)) from error
    if not isinstance(row, dict):
        raise RowProblem(Problem.NOT_AN_OBJECT, f"The row must be a JSON object, found {_found(row)}.")
    if _may_repeat(text, row) and (name := _repeated(text)) is not None:
        raise RowProblem(Problem.REPEATED, f"The name {name[:60]!r} stands twice in the row: which one is meant?")
    return row


def _may_repeat(text: bytes, row: dict[str, Any]) -> bool:
    """Whether some name stands in the text more than once: a quick search, which also finds it where it is a value."""
    if len(row) > MANY_COLUMNS:
        return True
    for name in row:
        pattern = _patterns.get(name)
        if pattern is None:
            pattern = _remember(name)
        if text.count(pattern) > 1:
            return True
    return not row and b":" in text


def _remember(name: str) -> bytes:
    if len(_patterns) > 1000:
        _patterns.clear()
    pattern = _patterns[name] = f'"{name}"'.encode()
    return pattern


def _repeated(text: bytes) -> str | None:
    """The first name that stands twice in the outermost object."""
    found: list[str | None] = []

    def look(items: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        twice = (name for name, _ in items if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        found.append(next(twice, None))

    json.loads(text, object_pairs_hook=look, parse_int=len)
    return found[-1]  # the outermost object ends last


def syntax_problem(text: bytes, message: str) -> RowProblem:
    """What is wrong with a text that is not JSON, from what the parser said."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return RowProblem(Problem.ENCODING, not_utf8(text, error))
    if message.startswith("recursion limit"):
        return RowProblem(Problem.NESTED, "Objects and lists are nested more than 200 deep in the row.")
    place = re.search(r" at line (\d+) column (\d+)$", message)
    byte = _offset(text, int(place[1]), int(place[2])) if place else 0
    if (nul := text.find(b"\0")) >= 0:
        return RowProblem(
            Problem.SYNTAX, f"Byte {nul + 1} of the row is NUL, which no text holds. The file may be damaged or UTF-16."
        )
    return RowProblem(Problem.SYNTAX, f"The row is not JSON: at byte {byte}, {_words(text, byte, message)}.")


def _offset(text: bytes, line: int, column: int) -> int:
    """The place in the text, from 1, that the parser gives as line and column."""
    start = 0
    for _ in range(line - 1):
        start = text.find(b"\n", start) + 1
    return start + column


def _words(text: bytes, byte: int, message: str) -> str:
    word = re.match(rb"\w{1,40}", text[max(byte - 1, 0) :].removeprefix(b"-"))
    if word and (instead := NOT_JSON_WORDS.get(word[0])):
        return f"{word[0].decode()} is not a JSON value; write {instead}"
    for beginning, said in WORDS:
        if message.startswith(beginning):
            return said
    shown = printable(text[max(byte - 1, 0) : byte + 11])
    return f"a value was expected (a text in double quotes, a number, a list, …), found {shown!r}"


def _found(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
