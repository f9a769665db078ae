"""Arrow's record batches as rows: what Parquet files and the `datasets` library give."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from training.preferences.records import Problem, Refusal, RowProblem
from training.preferences.sources.rows import SourceRow, UnreadableFile, too_long

if TYPE_CHECKING:
    import pyarrow as pa

# Few enough that a batch of the longest rows that are read fits into memory.
ROWS_PER_BATCH = 256
PANDAS_INDEX = "__index_level_"


def check_names(names: list[str]) -> None:
    """Raises UnreadableFile for a table without columns, or with two of one name."""
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UnreadableFile(f"Two columns are named {min(repeated)[:60]!r}. Give every column a name of its own.")
    if not names:
        raise UnreadableFile("The table has no columns.")


class Batches:
    """Cuts batches into rows and counts them; `row` is the place of the last one, from 1."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.row = 0

    def rows(self, batch: pa.RecordBatch) -> Iterator[SourceRow | Refusal]:
        """The rows of a batch; one that is too large, or not text where it should be, costs nobody else."""
        if batch.num_rows > 1 and batch.nbytes > self.limit:
            yield from self._halves(batch)
            return
        if batch.num_rows == 1 and batch.nbytes > self.limit:
            self.row += 1
            yield too_long(self.row, batch.nbytes, self.limit, b"")
            return
        try:
            values = as_rows(batch)
        except UnicodeDecodeError as error:
            if batch.num_rows > 1:
                yield from self._halves(batch)
            else:
                self.row += 1
                reason = f"A text of the row holds a byte (0x{error.object[error.start]:02x}) that is not valid UTF-8."
                yield Refusal(self.row, Problem.ENCODING, reason, "")
            return
        for value in values:
            self.row += 1
            yield self._row(value)

    def _halves(self, batch: pa.RecordBatch) -> Iterator[SourceRow | Refusal]:
        half = batch.num_rows // 2
        yield from self.rows(batch.slice(0, half))
        yield from self.rows(batch.slice(half))

    def _row(self, value: dict[str, Any]) -> SourceRow | Refusal:
        try:
            return SourceRow(self.row, {name: plain(cell) for name, cell in value.items()})
        except RowProblem as problem:
            return Refusal(self.row, problem.problem, str(problem), "")


def as_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """A dictionary per row."""
    names = [name for name in batch.schema.names if not name.startswith(PANDAS_INDEX)]
    columns = [batch.column(name).to_pylist(maps_as_pydicts="lossy") for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def plain(value: Any) -> Any:
    """The value as JSON has it: no number (NaN) is null, times are ISO 8601, maps are objects; raises RowProblem."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return None if math.isnan(value) else value
    if kind is dict:
        return {name: plain(item) for name, item in value.items()}
    if kind is list:
        return [plain(item) for item in value]
    return _unusual(value)


def _unusual(value: Any) -> Any:
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return float(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise RowProblem(Problem.TYPE, "A cell of the row holds bytes that are not text.") from None
        case tuple():
            return [plain(item) for item in value]
    return str(value)
