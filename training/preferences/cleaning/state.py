"""What steps work on: a few numbers per row of the parent version, and what each step did to them.

A million rows take some 60 MB; the texts stay in the file. Hashes of texts are read only when a step asks for them.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.checks.findings import RowNumbers
from training.preferences.records import Message
from training.preferences.splits import HELD_OUT, position

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]

PROMPTS_PER_FETCH = 1_000
# A rater is an annotator or, where none is known, a source, as in the report (checks.raters).
COLUMNS = """SELECT row, split, label, weight, coalesce(annotator, '') AS annotator,
                    coalesce(nullif(annotator, ''), source, '') AS rater
             FROM pairs ORDER BY row"""
HASHES = """SELECT hash(prompt) AS prompt, hash(chosen) AS chosen, coalesce(hash(rejected), 0) AS rejected,
                   rejected IS NOT NULL AS is_pair
            FROM pairs ORDER BY row"""


class Fate(IntEnum):
    """Why a row is no longer there."""

    KEPT = 0
    DROPPED = 1
    MERGED = 2
    OUTVOTED = 3
    UNDECIDED = 4


@dataclass
class State:
    """The version as it stands after some steps; one value per row of the parent, in order."""

    fate: np.ndarray[Any, np.dtype[np.int8]]
    into: RowNumbers
    """The row a merged one went into; -1 otherwise."""
    flipped: Flags
    label: Numbers
    weight: Numbers
    held_out: Flags

    @property
    def alive(self) -> Flags:
        return np.asarray(self.fate == Fate.KEPT, bool)

    def copy(self) -> State:
        return self.at(np.arange(len(self.fate)))

    def at(self, rows: RowNumbers) -> State:
        """A copy for some rows alone."""
        return State(**{name: array[rows] for name, array in vars(self).items()})

    def differs(self, other: State) -> Flags:
        """Rows that are there in both, but not the same."""
        changed = (self.flipped != other.flipped) | (self.label != other.label) | (self.weight != other.weight)
        differs: Flags = self.alive & other.alive & (changed | (self.held_out != other.held_out))
        return differs

    def sizes(self) -> dict[str, int]:
        held_out = int((self.alive & self.held_out).sum())
        total = int(self.alive.sum())
        return {"rows": total, "train": total - held_out, "held_out": held_out}


@dataclass
class Parent:
    """A sealed version to be cleaned, with its scores."""

    path: Path
    database: DuckDBPyConnection
    scores: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)

    @cached_property
    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        found: dict[str, np.ndarray[Any, Any]] = self.database.execute(COLUMNS).fetchnumpy()
        return found

    @cached_property
    def hashes(self) -> dict[str, Hashes]:
        """Of prompt, chosen and rejected; `is_pair` is false where there is no rejected answer."""
        found: dict[str, Hashes] = self.database.execute(HASHES).fetchnumpy()
        return found

    @property
    def is_pair(self) -> Flags:
        return self.hashes["is_pair"].astype(bool)

    @cached_property
    def prompts(self) -> Hashes:
        """See prompt_places."""
        return prompt_places(self.database)

    @property
    def rows(self) -> int:
        return len(self.columns["row"])

    def state(self) -> State:
        """The version as it is."""
        return State(
            fate=np.zeros(self.rows, np.int8),
            into=np.full(self.rows, -1, np.int64),
            flipped=np.zeros(self.rows, bool),
            label=np.asarray(self.columns["label"], np.float64).copy(),
            weight=np.asarray(self.columns["weight"], np.float64).copy(),
            held_out=np.asarray(self.columns["split"] == HELD_OUT, bool),
        )

    def score(self, name: str) -> Numbers:
        """A score as numbers, NaN where a row has none; raises KeyError for a score that the report does not have."""
        values = np.asarray(self.scores[name])
        return values.astype(np.float64)


def prompt_places(database: DuckDBPyConnection) -> Hashes:
    """The place of each prompt of `pairs` as `splits.position` has it: equal for prompts that ask the same."""
    result = database.execute("SELECT prompt FROM pairs")
    places = array("Q")
    while records := result.fetchmany(PROMPTS_PER_FETCH):
        places.extend(position(tuple(Message(**turn) for turn in prompt)) for (prompt,) in records)
    return np.array(places)
