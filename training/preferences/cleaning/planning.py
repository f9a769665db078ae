"""What a recipe would do to a version: the state after each step, worked out before anything is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences import store
from training.preferences.checks.findings import RowNumbers
from training.preferences.cleaning.actions import act
from training.preferences.cleaning.recipes import ACTIONS, AnyStep, Recipe
from training.preferences.cleaning.selection import Material, rows_of
from training.preferences.cleaning.state import Fate, Parent, State
from training.preferences.survey import Progress

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Effect:
    """One step: the rows it is about that were still there, those it changed or took out, before and after."""

    number: int
    step: AnyStep
    about: int
    rows: RowNumbers
    before: State
    after: State

    @property
    def removed(self) -> int:
        return int((~self.after.alive).sum())

    @property
    def changed(self) -> int:
        return len(self.rows) - self.removed


@dataclass(frozen=True)
class Plan:
    """A recipe applied to the numbers of a version; its texts are untouched so far."""

    recipe: Recipe
    before: State
    after: State
    effects: tuple[Effect, ...]
    last_step: np.ndarray[Any, np.dtype[np.int16]]
    """The number of the step, from 1, that touched a row last; 0 for none."""

    @property
    def removed(self) -> int:
        return int((~self.after.alive).sum())

    @property
    def changed(self) -> int:
        return int(self.changes.sum())

    @property
    def changes(self) -> Any:
        return self.after.differs(self.before)

    @property
    def changes_nothing(self) -> bool:
        return not self.removed and not self.changed


@contextmanager
def opened(path: Path, material: Material) -> Iterator[Parent]:
    """A version to plan on."""
    with store.connection(path) as database:
        database.execute(store.MACROS)
        store.view(database, path)
        yield Parent(path, database, _scores(database, material))


def _scores(database: DuckDBPyConnection, material: Material) -> dict[str, np.ndarray[Any, Any]]:
    if material.place is None or not material.place.exists:
        return {}
    scores = store.columns_of(database, "FROM read_parquet(?) ORDER BY row", [str(material.place.scores)])
    scores.pop("row")
    return scores


def plan(path: Path, recipe: Recipe, material: Material, progress: Progress = lambda _: None) -> Plan:
    """What the recipe does to a sealed file; raises BadRecipe where a step cannot be done."""
    with opened(path, material) as parent:
        before = parent.state()
        state = before.copy()
        last_step = np.zeros(parent.rows, np.int16)
        effects = []
        for number, step in enumerate(recipe, start=1):
            progress(f"step {number}: {ACTIONS[step.action].lower()}")
            effect = _effect(number, step, state, parent, material)
            last_step[effect.rows] = number
            effects.append(effect)
    return Plan(recipe, before, state, tuple(effects), last_step)


def _effect(number: int, step: AnyStep, state: State, parent: Parent, material: Material) -> Effect:
    """Does one step to `state`."""
    rows = rows_of(step, parent, material)
    rows = rows[state.alive[rows]]
    was = state.copy()
    act(step, rows, state, parent)
    # A merge also changes the row that the others went into, which the step need not be about.
    touched = np.flatnonzero(was.alive & (~state.alive | state.differs(was)))
    return Effect(number, step, len(rows), touched, was.at(touched), state.at(touched))


REASONS = {
    Fate.DROPPED: "left out",
    Fate.OUTVOTED: "outvoted by rows that contradict it",
    Fate.UNDECIDED: "contradicted, and votes do not decide",
}


def words(before: State, after: State, index: int) -> str:
    """What became of one row between two states, in words: `flipped, label 1 → 0.8`."""
    fate = Fate(int(after.fate[index]))
    if fate == Fate.MERGED:
        return f"merged into row {int(after.into[index])}"
    if fate != Fate.KEPT:
        return REASONS[fate]
    said = ["flipped"] if after.flipped[index] != before.flipped[index] else []
    for name in ("label", "weight"):
        old, new = float(getattr(before, name)[index]), float(getattr(after, name)[index])
        if old != new:
            said.append(f"{name} {old:.4g} → {new:.4g}")
    if before.held_out[index] != after.held_out[index]:
        said.append("train → held out" if after.held_out[index] else "held out → train")
    return ", ".join(said)
