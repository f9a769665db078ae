"""Which format a source has, from a sample of its rows, and what those rows would become."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Row
from dataclasses import dataclass
from typing import Any

from training.preferences.formats.conversion import OWN, converter
from training.preferences.formats.facts import fits, is_number
from training.preferences.formats.mapping import Mapping
from training.preferences.formats.roles import (
    ANSWER_SCORE,
    ANSWER_TEXT,
    FACTS,
    GAP,
    ROLES,
    Format,
    Role,
)
from training.preferences.formats.transcripts import looks_like_transcript
from training.preferences.records import Pair, Refusal, RowProblem
from training.preferences.sealing import as_json
from training.preferences.sources.rows import Cell

SAMPLE_ROWS = 200
# The most particular form first: a transcript is also text, a rated answer may also have a prompt and a response.
ORDER = (Format.TRANSCRIPTS, Format.RATED, Format.BATTLES, Format.PAIRS)
SHOWN_OF_ROW = 2000


@dataclass(frozen=True, slots=True)
class Recognition:
    """One way to read the sample, and how far it carries: `usable` of `rows` rows would give `pairs` pairs."""

    mapping: Mapping
    title: str
    rows: int
    usable: int
    pairs: int

    @property
    def own(self) -> bool:
        """Whether the rows are plainly alignapp's own format, so that nothing needs to be chosen."""
        own = all(OWN.columns.get(role) == column for role, column in self.mapping.columns.items())
        return self.mapping.format is Format.PAIRS and own and 0 < self.rows == self.usable


@dataclass(frozen=True, slots=True)
class Previewed:
    """A row of the sample: the pairs it would become, or why it would not."""

    line: int
    pairs: tuple[Pair, ...] = ()
    refusal: Refusal | None = None


def recognise(rows: Iterable[Row[str, Any]]) -> list[Recognition]:
    """The ways to read a sample, one for each format, best first; never empty."""
    sample = list(rows)
    found = [_tried(proposed(format, sample), sample) for format in ORDER]
    # A particular form that reads half of what the most general one reads is what was meant: ties are refused by it.
    most = max(way.usable for way in found)
    found.sort(key=lambda way: 2 * way.usable < most)
    if not most:
        columns = {name for row in sample for name in row}
        found.sort(key=lambda way: (not _has_required(way.mapping, columns), way.mapping.format is not Format.PAIRS))
    return found


def _has_required(mapping: Mapping, columns: set[str]) -> bool:
    """Whether the sample has the columns without which the format cannot be: ties alone are still battles."""
    required = (role.name for role in ROLES[mapping.format] if role.required)
    return all(mapping.columns.get(name) in columns for name in required)


def proposed(format: Format, rows: Sequence[Row[str, Any]]) -> Mapping:
    """The mapping of the columns that go by the names of the format's roles; it may miss some."""
    # A name with NUL is the column of a damaged file; no database keeps a mapping with one.
    columns = list(dict.fromkeys(name for row in rows for name in row if "\0" not in name))
    taken: set[str] = set()
    chosen: dict[str, str] = {}
    for role in ROLES[format]:
        if role.inside:
            continue
        column = role.find(name for name in columns if name not in taken and _suits(role, name, rows, format))
        # alignapp's own names are read wherever they turn up, also after the sample.
        if column is None and role.name in OWN.columns and OWN.columns[role.name] not in columns:
            column = OWN.columns[role.name] if format is Format.PAIRS or role in FACTS else None
        if column is not None and column not in taken:
            chosen[role.name] = column
            taken.add(column)
    if format is Format.RATED and "answers" in chosen:
        chosen |= _keys_inside(rows, chosen["answers"])
    return Mapping(format=format, columns=chosen)


def _suits(role: Role, column: str, rows: Sequence[Row[str, Any]], format: Format) -> bool:
    """Whether the sample's values can be what the role means; a column without values can be anything."""
    values = [row[column] for row in rows if row.get(column) is not None]
    if not values:
        return True
    if role in FACTS:
        return any(fits(value, role.name) for value in values)
    if role in GAP:
        return any(is_number(value.number if isinstance(value, Cell) else value) for value in values)
    match role.name:
        case "answers" | "scores" | "models":
            return any(isinstance(value, list) for value in values)
        case "chosen" | "rejected" if format is Format.TRANSCRIPTS:
            return 2 * sum(map(looks_like_transcript, values)) > len(values)
    return any(isinstance(value, str | list) for value in values)


def _keys_inside(rows: Sequence[Row[str, Any]], column: str) -> dict[str, str]:
    """Which keys of the answers hold text and rating."""
    keys = keys_of(rows, column)
    found = {role.name: role.find(keys) for role in (ANSWER_TEXT, ANSWER_SCORE)}
    return {name: key for name, key in found.items() if key is not None}


def keys_of(rows: Sequence[Row[str, Any]], column: str) -> list[str]:
    """The keys of the objects in a column of answers."""
    answers = [item for row in rows if isinstance(row.get(column), list) for item in row[column]]
    return list(dict.fromkeys(key for item in answers if isinstance(item, dict) for key in item if "\0" not in key))


def _tried(mapping: Mapping, rows: Sequence[Row[str, Any]]) -> Recognition:
    seen = preview([(0, row) for row in rows], mapping) if not mapping.missing else []
    usable = [row.pairs for row in seen if row.pairs]
    pairs = [pair for made in usable for pair in made]
    return Recognition(mapping, _title(mapping, pairs, rows), len(rows), len(usable), len(pairs))


def _title(mapping: Mapping, pairs: Sequence[Pair], rows: Sequence[Row[str, Any]]) -> str:
    if mapping.format is not Format.PAIRS or not pairs:
        return mapping.format.label
    if all(pair.rejected is None for pair in pairs):
        return "Demonstrations: prompt and completion"
    columns = mapping.columns
    if not any(columns.get("prompt") in row for row in rows):
        return "Pairs of whole conversations; what they share is the prompt"
    if any(isinstance(row.get(columns.get("chosen", "")), list) for row in rows):
        return "Pairs as conversations: lists of role and content"
    return "Pairs as plain text: prompt, chosen, rejected"


def preview(rows: Iterable[tuple[int, Row[str, Any]]], mapping: Mapping) -> list[Previewed]:
    """What (line, row) would become."""
    read = converter(mapping)
    found = []
    for line, row in rows:
        try:
            found.append(Previewed(line, pairs=tuple(read(row, line))))
        except RowProblem as problem:
            found.append(Previewed(line, refusal=refused(line, row, problem)))
    return found


def refused(line: int, row: Row[str, Any], problem: RowProblem) -> Refusal:
    """The refusal of a row, with its text."""
    return Refusal(line, problem.problem, str(problem), text_of(row))


def text_of(row: Row[str, Any]) -> str:
    """A row as JSON, as it is listed when it cannot be used."""
    try:
        return as_json(dict(row))
    except ValueError:
        return repr(dict(row))[:SHOWN_OF_ROW]
