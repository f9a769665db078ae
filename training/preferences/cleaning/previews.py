"""What a recipe would do, as pages show it: figures of every step, and its rows before and after.

Of a small version it is held in memory; of a large one a worker writes it beside the version, and pages read what they
show. One row per step and row that the step touches: the row as it stands before and after, and what became of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences import store
from training.preferences.browsing import rows_by_number
from training.preferences.cleaning.diffs import CHANGED, REMOVED
from training.preferences.cleaning.planning import Effect, Plan, words
from training.preferences.cleaning.recipes import AnyStep, Recipe
from training.preferences.cleaning.showing import Examples, Shown, Standing, shown, standing

if TYPE_CHECKING:
    import pyarrow as pa

STANDING = ("flipped", "label", "weight", "held_out")
ROWS_PER_WRITE = 100_000


@dataclass(frozen=True, slots=True)
class StepPreview:
    """What one step would do: the rows it is about, those it takes out or changes, and these before and after."""

    number: int
    step: AnyStep
    about: int
    removed: int
    changed: int
    examples: Sequence[Shown]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a recipe would do; `before` and `after` count rows, those to train on and those held out."""

    before: dict[str, int]
    after: dict[str, int]
    removed: int
    changed: int
    effects: tuple[StepPreview, ...]

    @property
    def changes_nothing(self) -> bool:
        return not self.removed and not self.changed


def of_plan(path: Path, plan: Plan) -> Preview:
    """The preview of a plan that is at hand; `path` is the sealed file's."""
    effects = (
        StepPreview(e.number, e.step, e.about, e.removed, e.changed, Examples(path, plan, e)) for e in plan.effects
    )
    return Preview(plan.before.sizes(), plan.after.sizes(), plan.removed, plan.changed, tuple(effects))


# --- Kept in a file -----------------------------------------------------------------------------------------------


def place(path: Path, digest: str) -> Path:
    """Where the preview of this digest beside a sealed file stands, or would stand."""
    return path.with_suffix(f".preview-{digest[:16]}.parquet")


def schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {"flipped": pa.bool_(), "label": pa.float64(), "weight": pa.float64(), "held_out": pa.bool_()}
    sides = {f"{side}_{name}": kind for side in ("before", "after") for name, kind in kinds.items()}
    return pa.schema({"step": pa.int16(), "row": pa.int64(), "removed": pa.bool_(), "what": pa.string(), **sides})


def write(target: Path, plan: Plan) -> dict[str, Any]:
    """Write the rows of a plan; returns its figures, for `read`."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(target, schema(), compression="zstd", use_dictionary=["what"]) as writer:
        for effect in plan.effects:
            for start in range(0, len(effect.rows), ROWS_PER_WRITE):
                writer.write_table(_table(effect, np.arange(start, min(start + ROWS_PER_WRITE, len(effect.rows)))))
    figures = ("about", "removed", "changed")
    return {
        "before": plan.before.sizes(),
        "after": plan.after.sizes(),
        "removed": plan.removed,
        "changed": plan.changed,
        "effects": [{name: getattr(effect, name) for name in figures} for effect in plan.effects],
    }


def _table(effect: Effect, places: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Table:
    import pyarrow as pa

    columns = {
        "step": pa.array(np.full(len(places), effect.number, np.int16)),
        "row": pa.array(effect.rows[places]),
        "removed": pa.array(~effect.after.alive[places]),
        "what": pa.array([words(effect.before, effect.after, int(at)) for at in places], pa.string()),
    }
    for side, state in (("before", effect.before), ("after", effect.after)):
        columns |= {f"{side}_{name}": pa.array(getattr(state, name)[places]) for name in STANDING}
    return pa.table(columns, schema=schema())


def read(path: Path, target: Path, figures: dict[str, Any], recipe: Recipe) -> Preview:
    """The preview that `write` left at `target` with these figures."""
    effects = []
    for number, (step, said) in enumerate(zip(recipe, figures["effects"], strict=True), start=1):
        examples = StoredExamples(path, target, number, said["removed"] + said["changed"])
        effects.append(StepPreview(number, step, examples=examples, **said))
    totals = {name: figures[name] for name in ("before", "after", "removed", "changed")}
    return Preview(effects=tuple(effects), **totals)


@dataclass(frozen=True, slots=True)
class StoredExamples(Sequence[Shown]):
    """The rows that a step touches, out of a stored preview; reads only what is sliced."""

    path: Path
    target: Path
    step: int
    length: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: Any) -> Any:
        start, stop, _ = (key if isinstance(key, slice) else slice(key, key + 1)).indices(self.length)
        names = ["row", "removed", "what", *(f"{side}_{name}" for side in ("before", "after") for name in STANDING)]
        query = f"SELECT {', '.join(names)} FROM read_parquet(?) WHERE step = ? ORDER BY row LIMIT ? OFFSET ?"
        with store.connection(self.target) as database:
            records = database.execute(query, [str(self.target), self.step, stop - start, start]).fetchall()
        rows = {row.number: row for row in rows_by_number(self.path, [record[0] for record in records])}
        found = [_shown(rows[number], *rest) for number, *rest in records]
        return found if isinstance(key, slice) else found[0]


def _shown(row: store.Row, removed: bool, what: str, *values: Any) -> Shown:
    before, after = Standing(*values[: len(STANDING)]), Standing(*values[len(STANDING) :])
    if removed:
        return shown(REMOVED, what, standing(row, before), None)
    return shown(CHANGED, what, standing(row, before), standing(row, after))
