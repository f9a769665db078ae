"""Writes what a plan makes of a sealed file: a new sealed file and the diff beside it, streamed by row groups.

Row identity: the diff names the parent's row and the child's row of everything that is not simply carried over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.checks.findings import RowNumbers
from training.preferences.cleaning.planning import Plan
from training.preferences.cleaning.state import Flags
from training.preferences.sealing import SealedWriter, as_json, schema
from training.preferences.splits import HELD_OUT, TRAIN

if TYPE_CHECKING:
    import pyarrow as pa

# Said of a row that stands the other way round than in its source.
FLIPPED = "alignapp_flipped"
# Columns that older versions lack, and what stands there then (null for the others).
DEFAULTS: dict[str, Any] = {"label": 1.0, "tags": []}

Done = Callable[[int], None]
"""Called with the number of the parent's rows that are dealt with."""


def groups_of(path: Path) -> Iterator[pa.Table]:
    """The row groups of a sealed file, with every column of today's format."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield _completed(file.read_row_group(number))


def _completed(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.array([DEFAULTS.get(field.name)] * len(table), field.type)
        for field in schema()
    ]
    return pa.table(columns, schema=schema())


def write_child(path: Path, plan: Plan, writer: SealedWriter, done: Done = lambda _: None) -> None:
    """Adds the rows that are left, as they are now."""
    start = 0
    for table in groups_of(path):
        rows = np.arange(start, start + len(table))
        start += len(table)
        kept = rows[plan.after.alive[rows]]
        writer.add_table(_rewritten(table.take(kept - rows[0]), kept, plan))
        done(start)


def _rewritten(table: pa.Table, rows: RowNumbers, plan: Plan) -> pa.Table:
    """The table of some rows of the parent with what the plan says of them."""
    import pyarrow as pa

    after = plan.after
    columns = {
        "label": pa.array(after.label[rows]),
        "weight": pa.array(after.weight[rows]),
        "split": pa.array(np.where(after.held_out[rows], HELD_OUT, TRAIN), pa.string()),
    }
    flipped = after.flipped[rows]
    if flipped.any():
        columns |= _turned(table, flipped)
    for name, column in columns.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(index, table.schema.field(index), column.cast(table.schema.field(index).type))
    return table


def _turned(table: pa.Table, flipped: Flags) -> dict[str, pa.Array]:
    import pyarrow as pa

    count = len(table)
    both = pa.concat_arrays([*table["chosen"].chunks, *table["rejected"].chunks])
    own, other = np.arange(count), np.arange(count) + count
    position = np.asarray(table["position"].to_numpy(zero_copy_only=False), np.float64)  # NaN where unknown
    turned = np.where(flipped, 3 - position, position)
    known = np.nan_to_num(turned).astype(np.int8)
    extras = [_noted(text) if turn else text for text, turn in zip(table["extra"].to_pylist(), flipped, strict=True)]
    return {
        "chosen": both.take(pa.array(np.where(flipped, other, own))),
        "rejected": both.take(pa.array(np.where(flipped, own, other))),
        "position": pa.array(known, pa.int8(), mask=np.isnan(turned)),
        "extra": pa.array(extras, pa.string()),
    }


def _noted(extra: str) -> str:
    """Turned twice is as it was."""
    values = json.loads(extra)
    if not values.pop(FLIPPED, False):
        values[FLIPPED] = True
    return as_json(values)


def child_rows(plan: Plan) -> RowNumbers:
    """Where each row of the parent stands in the child; -1 where it does not."""
    alive = plan.after.alive
    return np.where(alive, np.cumsum(alive) - 1, -1)
