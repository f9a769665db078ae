"""What differs between a version and its parent: a file beside the child, by rows of both.

    <child sha256>.diff-<first 8 of the parent's sha256>.parquet

One row for each of the parent's rows that is removed or changed, and for each of the child's that is added; rows that
are simply carried over are not listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences import store
from training.preferences.cleaning.applying import child_rows
from training.preferences.cleaning.planning import Plan, words

if TYPE_CHECKING:
    import pyarrow as pa

REMOVED, CHANGED, ADDED = "removed", "changed", "added"
CHANGES = {REMOVED: "Removed", CHANGED: "Changed", ADDED: "Added"}
ROWS_PER_WRITE = 100_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One row of a diff; `step` counts from 1 and is 0 for rows that no recipe added."""

    parent_row: int | None
    child_row: int | None
    change: str
    step: int
    what: str


def place(child: Path, parent_sha: str) -> Path:
    """Where the diff between a sealed file and its parent stands."""
    return child.with_suffix(f".diff-{parent_sha[:8]}.parquet")


def schema() -> pa.Schema:
    import pyarrow as pa

    columns = {"parent_row": pa.int64(), "child_row": pa.int64(), "change": pa.string()}
    return pa.schema({**columns, "step": pa.int16(), "what": pa.string()})


def write_plan(path: Path, plan: Plan) -> None:
    """The diff of what a plan makes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = np.flatnonzero(~plan.after.alive | plan.changes)
    children, alive = child_rows(plan), plan.after.alive
    with pq.ParquetWriter(path, schema(), compression="zstd", use_dictionary=["change", "what"]) as writer:
        for start in range(0, len(rows), ROWS_PER_WRITE):
            part = rows[start : start + ROWS_PER_WRITE]
            columns = {
                "parent_row": pa.array(part),
                "child_row": pa.array(children[part], mask=~alive[part]),
                "change": pa.array(np.where(alive[part], CHANGED, REMOVED), pa.string()),
                "step": pa.array(plan.last_step[part]),
                "what": pa.array([words(plan.before, plan.after, row) for row in part.tolist()], pa.string()),
            }
            writer.write_table(pa.table(columns, schema=schema()))


def write_added(path: Path, first: int, count: int) -> None:
    """The diff of a version that holds its parent's rows and `count` more, from row `first` on."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "parent_row": pa.nulls(count, pa.int64()),
        "child_row": pa.array(np.arange(first, first + count)),
        "change": pa.array([ADDED] * count, pa.string()),
        "step": pa.array(np.zeros(count, np.int16)),
        "what": pa.array(["added"] * count, pa.string()),
    }
    pq.write_table(pa.table(columns, schema=schema()), path, compression="zstd")


def counts(path: Path) -> dict[tuple[str, int], int]:
    """How many rows by change and step."""
    query = "SELECT change, step, count(*) FROM read_parquet(?) GROUP BY ALL ORDER BY ALL"
    with store.connection(path) as database:
        found = database.execute(query, [str(path)]).fetchall()
    return {(change, step): number for change, step, number in found}


@dataclass(frozen=True, slots=True)
class Differences(Sequence[Difference]):
    """The rows of a diff, all or those of a change and step; reads only what is sliced (for paginators)."""

    path: Path
    length: int
    change: str = ""
    step: int | None = None

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: Any) -> Any:
        start, stop, _ = (key if isinstance(key, slice) else slice(key, key + 1)).indices(self.length)
        query = """SELECT parent_row, child_row, change, step, what FROM read_parquet(?)
                   WHERE (change = ? OR ? = '') AND (step = ? OR ? IS NULL)
                   ORDER BY coalesce(parent_row, 0), child_row LIMIT ? OFFSET ?"""
        values = [str(self.path), self.change, self.change, self.step, self.step, stop - start, start]
        with store.connection(self.path) as database:
            found = [Difference(*record) for record in database.execute(query, values).fetchall()]
        return found if isinstance(key, slice) else found[0]


def by_change(path: Path) -> dict[str, int]:
    """How many rows were removed, changed and added."""
    totals = dict.fromkeys(CHANGES, 0)
    for (change, _), number in counts(path).items():
        totals[change] += number
    return totals
