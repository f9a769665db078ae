"""Which words of two answers are not in the other, in place: for reading them side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from training.preferences.records import Conversation

# Comparing takes time that grows with the square of the number of words: this many take some tenths of a second.
WORDS_COMPARED = 2_000
# Answers that share less have nothing to do with each other; marks on nearly every word help nobody.
LEAST_SHARED = 0.25
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text that the other answer has too, or (`differs`) has not at this place."""

    text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of an answer, in pieces that make up its text."""

    role: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two answers with their differences; `note` says why there are no marks, if there are none."""

    chosen: tuple[Turn, ...]
    rejected: tuple[Turn, ...]
    note: str = ""


@dataclass(frozen=True)
class _Match:
    """The words of a turn on both sides."""

    one: list[str]
    other: list[str]

    @cached_property
    def blocks(self) -> SequenceMatcher[str]:
        return SequenceMatcher(None, self.one, self.other, autojunk=False)


def compared(chosen: Conversation, rejected: Conversation) -> Comparison:
    """The differences of two answers, turn by turn."""
    one, other = ([_TOKEN.findall(turn.content) for turn in side] for side in (chosen, rejected))
    if max(sum(map(len, one)), sum(map(len, other))) > WORDS_COMPARED:
        return _plain(chosen, rejected, "These answers are too long for their words to be compared.")
    longest = max(len(one), len(other))
    matches = [
        _Match(one[turn] if turn < len(one) else [], other[turn] if turn < len(other) else [])
        for turn in range(longest)
    ]
    if _shared(matches) < LEAST_SHARED:
        return _plain(chosen, rejected, "These answers share too few words for marks to help.")
    return Comparison(_turns(chosen, matches, 0), _turns(rejected, matches, 1))


def _shared(matches: list[_Match]) -> float:
    """Share of the letters of both sides that stand in both, in the same order."""
    same = sum(
        len(token.strip())
        for match in matches
        for start, _, size in match.blocks.get_matching_blocks()
        for token in match.one[start : start + size]
    )
    total = sum(len(token.strip()) for match in matches for side in (match.one, match.other) for token in side)
    return 2 * same / total if total else 1.0


def _turns(side: Conversation, matches: list[_Match], which: int) -> tuple[Turn, ...]:
    turns = []
    for turn, match in zip(side, matches, strict=False):
        pieces: list[Piece] = []
        for kind, *places in match.blocks.get_opcodes():
            start, end = places[2 * which : 2 * which + 2]
            text = "".join((match.one, match.other)[which][start:end])
            if text:
                pieces.append(Piece(text, kind != "equal" and bool(text.strip())))
        turns.append(Turn(turn.role, tuple(pieces)))
    return tuple(turns)


def _plain(chosen: Conversation, rejected: Conversation, note: str) -> Comparison:
    one, other = (tuple(Turn(t.role, (Piece(t.content, False),)) for t in side) for side in (chosen, rejected))
    return Comparison(one, other, note)
