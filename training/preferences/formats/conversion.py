"""The confirmed mapping, compiled once into a function of a row."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Row
from typing import Any

from training.preferences.formats.battles import BattleReader
from training.preferences.formats.mapping import Mapping
from training.preferences.formats.pairs import PairReader
from training.preferences.formats.rated import RatedReader
from training.preferences.formats.roles import FACTS, Format
from training.preferences.formats.transcripts import TranscriptReader
from training.preferences.records import Pair, Refusal, RowProblem
from training.preferences.sources.json_text import parse_object
from training.preferences.sources.rows import printable

# The pairs of one row, at least one; raises RowProblem where the row gives none.
Converter = Callable[[Row[str, Any], int], list[Pair]]

READERS: dict[Format, Callable[[Mapping], Converter]] = {
    Format.PAIRS: PairReader,
    Format.TRANSCRIPTS: TranscriptReader,
    Format.RATED: RatedReader,
    Format.BATTLES: BattleReader,
}
# alignapp's own columns, which trl.py writes.
OWN = Mapping(
    columns={
        **{name: name for name in ("prompt", "chosen", "rejected", "completion")},
        **{role.name: role.synonyms[0] for role in FACTS},
    }
)


def converter(mapping: Mapping) -> Converter:
    """What makes pairs of rows, to be called once for each row with its line."""
    return READERS[mapping.format](mapping)


def convert(value: Row[str, Any], mapping: Mapping, line: int) -> list[Pair]:
    """The pairs of one row; raises RowProblem. For many rows, compile the mapping with `converter`."""
    return converter(mapping)(value, line)


own_pair = PairReader(OWN)


def interpret(row: Row[str, Any], line: int) -> Pair:
    """The pair a row in alignapp's own columns stands for; raises RowProblem where it stands for none."""
    return own_pair(row, line)[0]


def read_line(line: bytes, number: int) -> Pair | Refusal:
    """One line of JSON in alignapp's own columns (without its line end) as a pair, or the reason why it is none."""
    try:
        return interpret(parse_object(line), number)
    except RowProblem as problem:
        return Refusal(number, problem.problem, str(problem), printable(line))
