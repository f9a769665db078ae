"""Sealed files with scores and findings set by hand, for the tests of cleaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.preferences import store
from training.preferences.cleaning import diffs
from training.preferences.cleaning.applying import write_child
from training.preferences.cleaning.planning import Plan, plan
from training.preferences.cleaning.recipes import Recipe
from training.preferences.cleaning.selection import Material
from training.preferences.records import Pair
from training.preferences.report import Place, place
from training.preferences.sealing import SealedWriter, seal_pairs
from training.preferences.splits import PromptSplit


def sealed(folder: Path, pairs: Sequence[Pair], share: float = 0.0) -> Path:
    return seal_pairs(pairs, folder, PromptSplit(share)).path


def reported(
    path: Path, scores: Mapping[str, Sequence[Any]] | None = None, found: Mapping[str, Sequence[int]] | None = None
) -> Place:
    """Writes the parts of a report that cleaning reads: scores per row, and rows of findings."""
    here = place(path)
    rows = pq.ParquetFile(path).metadata.num_rows
    pq.write_table(pa.table({"row": list(range(rows)), **(scores or {})}), here.scores)
    pairs = [(rule, row, None) for rule, rows in (found or {}).items() for row in rows]
    schema = pa.schema([("rule", pa.string()), ("row", pa.int64()), ("group", pa.int64())])
    columns = [[values[place] for values in pairs] for place in range(3)]
    pq.write_table(
        pa.table([pa.array(list(column), kind.type) for column, kind in zip(columns, schema, strict=True)], schema),
        here.rows,
    )
    here.report.write_text("{}")
    return here


def planned(path: Path, *steps: Any, report: Place | None = None) -> Plan:
    return plan(path, Recipe(steps=steps), Material(report))


def made(path: Path, result: Plan) -> tuple[Path, Path]:
    """The child that a plan makes, and its diff."""
    with SealedWriter(path.parent, PromptSplit(0)) as writer:
        write_child(path, result, writer)
        child = writer.finish()
        writer.publish(child)
    diff = diffs.place(child.path, path.stem)
    diffs.write_plan(diff, result)
    return child.path, diff


def cleaned(path: Path, *steps: Any, report: Place | None = None) -> list[store.Row]:
    """The rows of the child that some steps make."""
    child, _ = made(path, planned(path, *steps, report=report))
    return store.page(child, 0, 10_000)
