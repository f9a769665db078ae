"""What each action does to the rows it is about. Every function changes `state` at rows that are still there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from training.preferences.checks.findings import RowNumbers
from training.preferences.cleaning import conflicts
from training.preferences.cleaning.recipes import (
    AnyStep,
    BadRecipe,
    Drop,
    Flip,
    Merge,
    Resplit,
    Soften,
    SplitConflicts,
    Weight,
)
from training.preferences.cleaning.state import Fate, Flags, Hashes, Numbers, Parent, State
from training.preferences.splits import held_out_groups

# A label must be above 0 (records.check); nobody is surer than this that a row is wrong.
LOWEST_LABEL = 0.01


def act(step: AnyStep, rows: RowNumbers, state: State, parent: Parent) -> None:
    """Do what a step says to those of its rows that are still there; raises BadRecipe where it cannot."""
    ACTS[step.action](step, rows[state.alive[rows]], state, parent)


def _drop(step: Drop, rows: RowNumbers, state: State, parent: Parent) -> None:
    state.fate[rows] = Fate.DROPPED


def _flip(step: Flip, rows: RowNumbers, state: State, parent: Parent) -> None:
    rows = rows[parent.is_pair[rows]]
    state.flipped[rows] = ~state.flipped[rows]


def _soften(step: Soften, rows: RowNumbers, state: State, parent: Parent) -> None:
    rows = rows[parent.is_pair[rows]]
    if step.to == "value":
        state.label[rows] = step.value
        return
    noise = _noise(parent)
    known = rows[np.isfinite(noise[rows])]
    if step.to == "rate":
        wrong: Any = float(np.nanmean(noise)) if np.isfinite(noise).any() else 0.0
        state.label[rows] = max(1 - wrong, LOWEST_LABEL)
        return
    # The score is about the label as it was; a pair that an earlier step turned over is wrong where it was right.
    wrong = np.where(state.flipped[known], 1 - noise[known], noise[known])
    state.label[known] = np.clip(1 - wrong, LOWEST_LABEL, 1)


def _noise(parent: Parent) -> Numbers:
    if "noise" not in parent.scores:
        raise BadRecipe("The report on this version has no noise scores. Soften to a value instead.")
    return parent.score("noise")


def _weight(step: Weight, rows: RowNumbers, state: State, parent: Parent) -> None:
    state.weight[rows] = step.value if step.how == "set" else state.weight[rows] * step.value


def _merge(step: Merge, rows: RowNumbers, state: State, parent: Parent) -> None:
    """The first row of a group stays, wherever it is; only rows that the step is about go into it."""
    group = _alike(state, parent) if step.alike == "exact" else _near(parent)
    alive = np.flatnonzero(state.alive)
    first = np.full(int(group.max()) + 1, parent.rows, np.int64)
    np.minimum.at(first, group[alive], alive)
    gone = rows[first[group[rows]] != rows]
    kept = first[group[gone]]
    if step.alike == "exact":
        _mean_label(gone, kept, state, parent)
    if step.weight == "sum":
        np.add.at(state.weight, kept, state.weight[gone])
    else:
        state.weight[kept] = 1.0
    state.fate[gone] = Fate.MERGED
    state.into[gone] = kept


def _alike(state: State, parent: Parent) -> RowNumbers:
    """A number per row, equal where prompt, chosen and rejected are, as they stand now."""
    chosen, rejected = sides(state, parent)
    texts = np.stack([parent.hashes["prompt"], chosen, rejected], axis=1)
    return _numbered(texts)


def sides(state: State, parent: Parent) -> tuple[Hashes, Hashes]:
    """Hashes of the chosen and the rejected answer as they stand now."""
    chosen, rejected = parent.hashes["chosen"], parent.hashes["rejected"]
    return np.where(state.flipped, rejected, chosen), np.where(state.flipped, chosen, rejected)


def _numbered(keys: np.ndarray[Any, Any]) -> RowNumbers:
    """Equal rows of a table get equal numbers, from 0 on."""
    order = np.lexsort(keys.T)
    new = np.ones(len(keys), bool)
    new[1:] = (keys[order][1:] != keys[order][:-1]).any(axis=1)
    numbers = np.empty(len(keys), np.int64)
    numbers[order] = np.cumsum(new) - 1
    return numbers


def _near(parent: Parent) -> RowNumbers:
    if "duplicate_of" not in parent.scores:
        raise BadRecipe("The report on this version has no groups of near duplicates. Merge exact repeats instead.")
    first = parent.scores["duplicate_of"].astype(np.int64)
    return np.where(first >= 0, first, np.arange(parent.rows))


def _mean_label(gone: RowNumbers, kept: RowNumbers, state: State, parent: Parent) -> None:
    """Where different annotators say the same, the label is the mean of theirs by weight; else the first's stays."""
    annotators = np.unique(np.asarray(parent.columns["annotator"], str), return_inverse=True)[1]
    named = np.asarray(parent.columns["annotator"], str) != ""
    others = np.unique(kept[(annotators[gone] != annotators[kept]) & named[gone] & named[kept]])
    several = np.zeros(parent.rows, bool)
    several[others] = True
    votes, sums = np.zeros(parent.rows), np.zeros(parent.rows)
    for members, into in ((others, others), (gone[several[kept]], kept[several[kept]])):
        np.add.at(votes, into, state.weight[members])
        np.add.at(sums, into, state.weight[members] * state.label[members])
    state.label[others] = sums[others] / votes[others]


def _split_conflicts(step: SplitConflicts, rows: RowNumbers, state: State, parent: Parent) -> None:
    rows = rows[parent.is_pair[rows]]
    rows = rows[_occurs_again(parent.hashes["prompt"][rows])]
    if not len(rows):
        return
    chosen, rejected = sides(state, parent)
    texts = (parent.hashes["prompt"][rows], chosen[rows], rejected[rows])
    raters = _raters(parent, rows) if step.votes == "raters" else None
    outvoted, undecided = conflicts.decide(conflicts.Votes(*texts, state.label[rows], state.weight[rows], raters))
    state.fate[rows[outvoted]] = Fate.OUTVOTED
    if step.otherwise == "drop":
        state.fate[rows[undecided]] = Fate.UNDECIDED
    else:
        state.label[rows[undecided]] = 0.5


def _raters(parent: Parent, rows: RowNumbers) -> RowNumbers:
    """A number per row, equal where the rater is; 0 where none is named."""
    names = np.asarray(parent.columns["rater"], str)[rows]
    numbers: RowNumbers = np.unique(np.append(names, ""), return_inverse=True)[1][:-1]
    return numbers


def _occurs_again(keys: Hashes) -> Flags:
    """Only rows that share their prompt with another can contradict one."""
    inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)[1:]
    return np.asarray(counts[inverse] > 1, bool)


def _resplit(step: Resplit, rows: RowNumbers, state: State, parent: Parent) -> None:
    """About all rows, also those that an earlier step took out, so that sides do not depend on the order of steps."""
    state.held_out[:] = held_out_groups(parent.prompts, _clusters(parent), state.alive, step.share)


def _clusters(parent: Parent) -> RowNumbers:
    """The prompt cluster of each row; else its group of near duplicates; -1 where it has none."""
    for name in ("cluster", "duplicate_of"):
        if name in parent.scores:
            return parent.scores[name].astype(np.int64)
    return np.full(parent.rows, -1, np.int64)


Act = Callable[[Any, RowNumbers, State, Parent], None]
ACTS: dict[str, Act] = {
    "drop": _drop,
    "flip": _flip,
    "soften": _soften,
    "weight": _weight,
    "merge": _merge,
    "split_conflicts": _split_conflicts,
    "resplit": _resplit,
}
