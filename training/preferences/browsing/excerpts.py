"""One line of each text of a row, for listings: its beginning, or what stands around the place where it first differs.

Rows of a group nearly repeat each other, and the answers of a pair may begin alike: their beginnings would be equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.preferences.browsing.differences import Piece, compared
from training.preferences.records import Conversation, Message, Pair

SHOWN = 200
"""Characters of an excerpt."""
COMPARED = 2 * SHOWN
"""Words at the very end of what is compared may have their like behind it; so more is compared than is shown."""
SEEN = 32
"""Characters that a line has room for even on a phone: a difference within them needs no later beginning."""
LEAD = 24
"""At most so many equal characters stand before a difference that comes later."""
TURNS = 3


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a text; `is_later` says that it leaves out the beginning, `is_cut` that more follows."""

    pieces: tuple[Piece, ...]
    is_later: bool = False
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Excerpts:
    """What a listing shows of a row; `rejected` is None for a demonstration."""

    prompt: Excerpt
    chosen: Excerpt
    rejected: Excerpt | None


def excerpts(pair: Pair, beside: Pair | None = None) -> Excerpts:
    """Excerpts of a pair with marks where it differs from the one that it is read beside; without one, where its own
    answers differ, if they begin alike."""
    chosen, rejected = _answer(pair.chosen), _answer(pair.rejected)
    if beside is None:
        late = bool(rejected) and first_difference(chosen, rejected) > SEEN
        chosen_beside, rejected_beside = (rejected, chosen) if late else (chosen, rejected)
        prompt = _around(_last(pair.prompt), _last(pair.prompt))
    else:
        chosen_beside, rejected_beside = _answer(beside.chosen), _answer(beside.rejected)
        prompt = _around(*_prompts(pair.prompt, beside.prompt))
    return Excerpts(
        prompt,
        _around(chosen, chosen_beside),
        None if pair.rejected is None else _around(rejected, rejected_beside),
    )


def first_difference(one: str, other: str) -> int:
    """How many characters two texts begin alike with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _answer(turns: Conversation | None) -> str:
    return " ".join(turn.content for turn in (turns or ())[:TURNS])


def _last(turns: Conversation) -> str:
    return turns[-1].content if turns else ""


def _prompts(one: Conversation, other: Conversation) -> tuple[str, str]:
    """The last turns; all of them where only earlier ones differ."""
    if _last(one) == _last(other) and one != other:
        return " ".join(turn.content for turn in one), " ".join(turn.content for turn in other)
    return _last(one), _last(other)


def _around(text: str, other: str) -> Excerpt:
    """The beginning of a text, or the part around its first difference from another."""
    if text == other:
        return Excerpt((Piece(text[:SHOWN], False),), is_cut=len(text) > SHOWN)
    begin = _begin(text, first_difference(text, other))
    part, beside = ((Message("", one[begin : begin + COMPARED]),) for one in (text, other))
    [turn] = compared(part, beside).chosen
    return Excerpt(_first(turn.pieces), is_later=begin > 0, is_cut=len(text) > begin + SHOWN)


def _begin(text: str, difference: int) -> int:
    """Where an excerpt begins that shows a difference: at the first word that lies within the lead."""
    if difference <= SEEN:
        return 0
    blank = text.find(" ", difference - LEAD, difference)
    return difference - LEAD if blank < 0 else blank + 1


def _first(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces up to SHOWN characters."""
    kept, left = [], SHOWN
    for piece in pieces:
        if left <= 0:
            break
        kept.append(Piece(piece.text[:left], piece.differs))
        left -= len(piece.text)
    return tuple(kept)
