"""Pairs that a rule doubts, judged once more by a person who sees neither label nor score.

A score alone knows nothing that the pairs do not say, and training on them learns that by itself; a person's second
judgement is news. It is kept as a tag on the row, so that filters and recipes can use it: a recipe turns over what was
judged wrong and leaves out what nobody can decide. Which answer stands first is drawn by the row's number and the
version's digest, the same for everybody and however often the page is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

import numpy as np

from alignapp.accounts.models import User
from training.models import DatasetVersion
from training.preferences import reporting, store, tags
from training.preferences.browsing import rows_by_number
from training.preferences.checks.findings import RowNumbers
from training.preferences.cleaning.recipes import Drop, Flip, Recipe
from training.preferences.filters import Filter
from training.preferences.records import Conversation
from training.preferences.verdicts import Verdict

DOUBTFUL = ("label_noise", "contradictions", "cycles")
"""Findings on labels that people can decide by judging again."""


class Choice(StrEnum):
    """What the person chose of the two answers as they were shown."""

    FIRST = "a"
    SECOND = "b"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of a finding's pairs were judged again, and what came of it."""

    total: int
    judged: int
    wrong: int
    undecided: int

    @property
    def done(self) -> bool:
        return self.judged == self.total

    @property
    def right(self) -> int:
        return self.judged - self.wrong - self.undecided


@dataclass(frozen=True, slots=True)
class Shown:
    """A pair as it is shown: nothing in it tells which answer is the chosen one."""

    row: int
    prompt: Conversation
    answers: tuple[tuple[str, Conversation], tuple[str, Conversation]]


def doubted(version: DatasetVersion, rule: str) -> RowNumbers:
    """The rows of a finding in the report's order, the most doubtful first; none without a report."""
    place = reporting.place_of(version)
    if not place.exists:
        return np.zeros(0, np.int64)
    query = "SELECT row FROM read_parquet(?, file_row_number = true) WHERE rule = ? ORDER BY file_row_number"
    with store.connection(version.path) as database:
        rows = [row for (row,) in database.execute(query, [str(place.rows), rule]).fetchall()]
    return np.array(list(dict.fromkeys(rows)), np.int64)


def progress(version: DatasetVersion, rows: RowNumbers) -> Progress:
    """Of these rows, how many have a verdict; where two people differ, the label counts as undecided."""
    verdicts = _verdicts(version)
    found = [verdicts[row] for row in rows.tolist() if row in verdicts]
    return Progress(len(rows), len(found), found.count(Verdict.WRONG), found.count(Verdict.UNDECIDED))


def next_row(version: DatasetVersion, rows: RowNumbers) -> int | None:
    """The first row without a verdict."""
    verdicts = _verdicts(version)
    return next((row for row in rows.tolist() if row not in verdicts), None)


def shown(version: DatasetVersion, row: int) -> Shown | None:
    """The pair with its answers in the drawn order; None for a row that is not there or has one answer only."""
    found = rows_by_number(version.path, [row])
    if not found or found[0].pair.rejected is None:
        return None
    chosen, rejected = found[0].pair.chosen, found[0].pair.rejected
    first, second = (chosen, rejected) if _chosen_first(version, row) else (rejected, chosen)
    return Shown(row, found[0].pair.prompt, (("A", first), ("B", second)))


def judge(version: DatasetVersion, row: int, choice: Choice, user: User | None) -> None:
    """Keep what a person says of the row in place of what was said before."""
    take_back(version, row)
    tags.put(version, [row], _verdict(version, row, choice), user)


def take_back(version: DatasetVersion, row: int) -> None:
    """The row has no verdict any more."""
    version.pair_tags.filter(row=row, tag__in=list(Verdict)).delete()


def latest(version: DatasetVersion, rows: RowNumbers, user: User | None) -> int | None:
    """Of these rows the one that the user judged last."""
    own = version.pair_tags.filter(tag__in=list(Verdict), created_by=user).order_by("-pk")
    there = set(rows.tolist())
    return next((row for row in own.values_list("row", flat=True) if row in there), None)


def recipe(found: Progress) -> Recipe:
    """Turn over what was judged wrong, leave out what could not be decided; no step that would do nothing."""
    steps = [
        *([Flip(rows=Filter(tag=Verdict.WRONG))] if found.wrong else []),
        *([Drop(rows=Filter(tag=Verdict.UNDECIDED))] if found.undecided else []),
    ]
    return Recipe(steps=tuple(steps))


def _verdicts(version: DatasetVersion) -> dict[int, Verdict]:
    found = version.pair_tags.filter(tag__in=list(Verdict)).values_list("row", "tag")
    verdicts: dict[int, Verdict] = {}
    for row, tag in found:
        verdicts[row] = Verdict(tag) if verdicts.get(row, tag) == tag else Verdict.UNDECIDED
    return verdicts


def _verdict(version: DatasetVersion, row: int, choice: Choice) -> Verdict:
    if choice is Choice.NEITHER:
        return Verdict.UNDECIDED
    [found] = rows_by_number(version.path, [row])
    chosen_wins = (choice is Choice.FIRST) == _chosen_first(version, row)
    # A label below one half says that the rejected answer is the better one.
    return Verdict.RIGHT if chosen_wins == (found.pair.label >= 0.5) else Verdict.WRONG


def _chosen_first(version: DatasetVersion, row: int) -> bool:
    return bool(blake2b(f"{version.sha256}/{row}".encode(), digest_size=1).digest()[0] & 1)
