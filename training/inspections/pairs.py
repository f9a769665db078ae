"""RUN_DIR/inspection/pairs.parquet: the pairs behind the figures, found by slice and by how wrong they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.inspections.summary import FOLDER, PAIRS
from training.preferences.store import connection

COLUMNS = ("row", "split", "chosen_score", "rejected_score", "chosen_tokens", "rejected_tokens", "label")
ORDERS = {
    "wrong": "correct, abs(gap) DESC, row",  # the surest mistakes first
    "right": "correct DESC, abs(gap) DESC, row",
    "unsure": "abs(gap), row",
    "row": "row",
}


@dataclass(frozen=True, slots=True)
class RankedPair:
    """A pair as it was scored."""

    row: int
    split: str
    chosen_score: float
    rejected_score: float
    chosen_tokens: int
    rejected_tokens: int
    label: float

    @property
    def gap(self) -> float:
        return self.chosen_score - self.rejected_score

    @property
    def is_right(self) -> bool:
        """Whether the answer that scores higher is the one that the label calls better."""
        return (self.gap > 0) == (self.label > 0.5)


@dataclass(frozen=True, slots=True)
class RankedPairs(Sequence[RankedPair]):
    """The pairs of one slice (all without one) in one of ORDERS, `only` wrong or right ones; reads what is sliced."""

    run_folder: Path
    slice_key: str = ""
    order: str = "wrong"
    only: str = ""

    @property
    def path(self) -> Path:
        return self.run_folder / FOLDER / PAIRS

    def __len__(self) -> int:
        with connection(self.path) as database:
            found = database.execute(f"SELECT count(*) {self._from}", self._parameters).fetchone()
        return int(found[0]) if found else 0

    def __getitem__(self, key: Any) -> Any:
        query = f"SELECT {', '.join(COLUMNS)} {self._from} ORDER BY {ORDERS[self.order]} LIMIT ? OFFSET ?"
        start, stop = (key.start or 0, key.stop) if isinstance(key, slice) else (key, key + 1)
        with connection(self.path) as database:
            found = database.execute(query, [*self._parameters, stop - start, start]).fetchall()
        pairs = [RankedPair(*values) for values in found]
        return pairs if isinstance(key, slice) else pairs[0]

    @property
    def _from(self) -> str:
        wanted = {"wrong": "AND correct < 0.5", "right": "AND correct > 0.5"}.get(self.only, "")
        return f"FROM read_parquet(?) WHERE (? = '' OR list_contains(slices, ?)) {wanted}"

    @property
    def _parameters(self) -> list[Any]:
        return [str(self.path), self.slice_key, self.slice_key]
