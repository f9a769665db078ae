"""Rows before and after, for people to read side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.preferences.browsing import rows_by_number
from training.preferences.browsing.differences import Comparison, Turn, compared
from training.preferences.cleaning.diffs import CHANGED, REMOVED, Difference, Differences
from training.preferences.cleaning.planning import Effect, Plan, words
from training.preferences.cleaning.state import State
from training.preferences.records import Conversation, Message, Pair
from training.preferences.splits import HELD_OUT, TRAIN
from training.preferences.store import Row

CHARACTERS_SHOWN, TURNS_SHOWN = 4_000, 20


@dataclass(frozen=True, slots=True)
class Shown:
    """One row of a version and what became of it; `before` is None where it is new, `after` where it is gone.

    `answers` hold ("Chosen" or "Rejected", turns before, turns after, with marks at words that moved), of long ones the
    beginning; `is_cut` says that there is more.
    """

    change: str
    what: str
    before: Row | None
    after: Row | None
    answers: tuple[tuple[str, tuple[Turn, ...], tuple[Turn, ...]], ...]
    is_cut: bool = False

    @property
    def row(self) -> Row:
        """The row as it was, or, of a new one, as it is."""
        found = self.before or self.after
        assert found is not None, "a difference is about a row"
        return found

    @property
    def text_moved(self) -> bool:
        return bool(self.before and self.after and self.before.pair.chosen != self.after.pair.chosen)


def shown(change: str, what: str, before: Row | None, after: Row | None) -> Shown:
    one = before or after
    assert one is not None, "a difference is about a row"
    sides = [("Chosen", "chosen"), *([("Rejected", "rejected")] if one.pair.rejected is not None else [])]
    answers = []
    for label, side in sides:
        marks = _compared(before, after, side)
        answers.append((label, marks.chosen if before else (), marks.rejected if after else ()))
    whole = [getattr(row.pair, side) for row in (before, after) if row for _, side in sides]
    return Shown(change, what, before, after, tuple(answers), any(_beginning(turns) != turns for turns in whole))


def _compared(before: Row | None, after: Row | None, side: str) -> Comparison:
    there = [_beginning(getattr(row.pair, side)) for row in (before, after) if row]
    return compared(there[0], there[-1])


def _beginning(turns: Conversation) -> Conversation:
    """As much of an answer as a list of rows has room for."""
    kept: list[Message] = []
    left = CHARACTERS_SHOWN
    for turn in turns[:TURNS_SHOWN]:
        if left > 0:
            kept.append(turn._replace(content=turn.content[:left]))
        left -= len(turn.content)
    return tuple(kept)


@dataclass(frozen=True, slots=True)
class Examples(Sequence[Shown]):
    """The rows that a step touches, as a preview shows them; reads only what is sliced."""

    path: Path
    plan: Plan
    effect: Effect

    def __len__(self) -> int:
        return len(self.effect.rows)

    def __getitem__(self, key: Any) -> Any:
        part = key if isinstance(key, slice) else slice(key, key + 1)
        numbers = self.effect.rows[part].tolist()
        rows = {row.number: row for row in rows_by_number(self.path, numbers)}
        first = part.indices(len(self))[0]
        found = [self._shown(first + place, rows[number]) for place, number in enumerate(numbers)]
        return found if isinstance(key, slice) else found[0]

    def _shown(self, index: int, row: Row) -> Shown:
        """The row before and after the step; earlier steps may have touched it already."""
        old, new = self.effect.before, self.effect.after
        what = words(old, new, index)
        before = standing(row, _standing_of(old, index))
        if not new.alive[index]:
            return shown(REMOVED, what, before, None)
        return shown(CHANGED, what, before, standing(row, _standing_of(new, index)))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a row stands after some steps."""

    flipped: bool
    label: float
    weight: float
    held_out: bool


def _standing_of(state: State, index: int) -> Standing:
    values = state.flipped[index], state.label[index], state.weight[index], state.held_out[index]
    return Standing(bool(values[0]), float(values[1]), float(values[2]), bool(values[3]))


def standing(row: Row, now: Standing) -> Row:
    """A row of the sealed file as it stands after some steps."""
    pair: Pair = row.pair
    if now.flipped and pair.rejected is not None:
        turned = 3 - pair.position if pair.position else 0
        pair = pair._replace(chosen=pair.rejected, rejected=pair.chosen, position=turned)
    pair = pair._replace(label=now.label, weight=now.weight)
    return Row(row.number, HELD_OUT if now.held_out else TRAIN, pair)


@dataclass(frozen=True, slots=True)
class ShownDifferences(Sequence[Shown]):
    """Rows of a stored diff with their texts; reads only what is sliced."""

    parent: Path
    child: Path
    differences: Differences

    def __len__(self) -> int:
        return len(self.differences)

    def __getitem__(self, key: Any) -> Any:
        part: list[Difference] = self.differences[key if isinstance(key, slice) else slice(key, key + 1)]
        before = _read(self.parent, [d.parent_row for d in part])
        after = _read(self.child, [d.child_row for d in part])
        found = [shown(d.change, d.what, before.get(d.parent_row), after.get(d.child_row)) for d in part]
        return found if isinstance(key, slice) else found[0]


def _read(path: Path, numbers: Sequence[int | None]) -> dict[int | None, Row]:
    wanted = [number for number in numbers if number is not None]
    return {row.number: row for row in rows_by_number(path, wanted)} if wanted else {}
