"""The optional columns: who judged, when, where it was shown, and the numbers that training uses.

Numbers change what is trained, so a row whose number is unusable is refused. The rest describes a row: a value that
does not fit stays in `extra` under its own name, and the row is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard

from training.preferences.formats.messages import kind_of
from training.preferences.formats.roles import FACTS, GAP
from training.preferences.records import Problem, RowProblem
from training.preferences.sources.rows import Cell

# Optional columns that hold a number: the problem when they do not, and what is wanted.
NUMBERS = {
    "weight": (Problem.WEIGHT, "a number above 0"),
    "label": (Problem.LABEL, "a number above 0 and at most 1, the probability that chosen is the better answer"),
    "margin": (Problem.MARGIN, "a number of 0 or more"),
}
POSITIONS = {"1": 1, "first": 1, "left": 1, "a": 1, "2": 2, "second": 2, "right": 2, "b": 2}
# Above this a time since 1970 is counted in milliseconds (as seconds it would be the year 5138).
MILLISECONDS_FROM = 10**11
LONGEST_FACT = 500


class Facts:
    """Reads the optional columns of a mapping. `used` are the columns that the format itself reads."""

    def __init__(self, columns: Mapping[str, str], used: frozenset[str]) -> None:
        self.core = used
        self.readers: dict[str, list[str]] = {}
        for role in FACTS:
            if role.name in columns:
                self.readers.setdefault(columns[role.name], []).append(role.name)
        self.gap = [columns[role.name] for role in GAP if role.name in columns]

    def read(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields of Pair that the row gives, and what is left of it as `extra`; raises RowProblem."""
        fields: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for column, value in row.items():
            if column in self.readers:
                self._describe(column, value, fields, extra)
            elif column not in self.core:
                extra[column] = value
        if len(self.gap) == len(GAP) and "margin" not in fields:
            fields |= self._margin(row)
        if extra and not is_finite(extra):
            raise RowProblem(Problem.TYPE, "A number outside the range of a double cannot be kept.")
        return fields, extra

    def _describe(self, column: str, value: Any, fields: dict[str, Any], extra: dict[str, Any]) -> None:
        """Reads the value of a column for every role that it has; what does not fit goes to `extra`."""
        for field in self.readers[column]:
            is_number = field in NUMBERS
            meant = value.number if isinstance(value, Cell) and (is_number or not value) else value
            if meant is None:
                continue
            read = number(meant, field, column) if is_number else DESCRIPTIONS[field](meant)
            if read is None:
                extra[column] = value
            else:
                fields[field] = read

    def _margin(self, row: Mapping[str, Any]) -> dict[str, float]:
        """The difference of two scores; none where one is missing, or they contradict the pair."""
        chosen, rejected = (row.get(column) for column in self.gap)
        chosen, rejected = (value.number if isinstance(value, Cell) else value for value in (chosen, rejected))
        if not is_number(chosen) or not is_number(rejected) or chosen < rejected:
            return {}
        return {"margin": float(chosen) - float(rejected)}


def is_number(value: object) -> TypeGuard[int | float]:
    """A finite number that a double holds, and neither true nor false."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def number(value: object, field: str, column: str) -> float:
    """The number in an optional column; what it may be is for `records.check` to say."""
    problem, wanted = NUMBERS[field]
    if isinstance(value, bool) or not isinstance(value, int | float):
        remedy = "" if field == "weight" else " Rename the column if it means something else."
        raise RowProblem(problem, f"{column} must be {wanted}, found {kind_of(value)}.{remedy}")
    try:
        return float(value)
    except OverflowError:
        raise RowProblem(problem, f"{column} must be {wanted}, and finite; it is too large.") from None


def fits(value: object, field: str) -> bool:
    """Whether a value can be what the field means."""
    if field not in NUMBERS:
        return DESCRIPTIONS[field](value) is not None
    if isinstance(value, Cell):
        value = value.number
    if not is_number(value):
        return False
    return value >= 0 if field == "margin" else 0 < value <= (1 if field == "label" else math.inf)


def _word(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    word = str(value) if isinstance(value, str) or abs(value) < 10**18 else ""
    return word if 0 < len(word) <= LONGEST_FACT else None


def _position(value: object) -> int | None:
    return None if isinstance(value, bool | float) else POSITIONS.get(str(value).strip().casefold())


def _time(value: object) -> str | None:
    """ISO 8601: text as it is, seconds or milliseconds since 1970 as UTC."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, str):
            datetime.fromisoformat(value)
            return value
        if isinstance(value, int | float):
            seconds = value / 1000 if abs(value) >= MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _tags(value: object) -> tuple[str, ...] | None:
    """A list of texts, or one text with commas between the tags."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) and len(part) <= LONGEST_FACT for part in parts):
        return None
    if isinstance(value, str):
        parts = [part.strip() for part in parts]
    return tuple(dict.fromkeys(part for part in parts if part)) or None


DESCRIPTIONS: dict[str, Callable[[object], Any]] = {
    "annotator": _word,
    "source": _word,
    "position": _position,
    "at": _time,
    "tags": _tags,
}


def is_finite(value: object) -> bool:
    """Numbers such as 1e999 are JSON but become infinite on reading, and could not be written again."""
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(is_finite(item) for item in value.values())
        case list():
            return all(is_finite(item) for item in value)
    return True
