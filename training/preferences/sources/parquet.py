"""Parquet files, row group by row group and page by page."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from training.preferences.records import Refusal
from training.preferences.sources.columnar import ROWS_PER_BATCH, Batches, check_names
from training.preferences.sources.files import OpenedFile
from training.preferences.sources.rows import MIB, Limits, SourceRow, UnreadableFile

if TYPE_CHECKING:
    import pyarrow.parquet as pq

PAGE_BUFFER = MIB


@contextmanager
def opened_parquet(opened: OpenedFile) -> Iterator[Parquet]:
    """The rows of a Parquet file; one that is packed once more is unpacked to a file without a name first."""
    if not opened.packed:
        yield Parquet(opened, opened.file)
        return
    with tempfile.TemporaryFile() as whole:
        while piece := opened.stream.read(PAGE_BUFFER):
            whole.write(piece)
        whole.seek(0)
        yield Parquet(opened, whole)


class Parquet:
    """The rows of a Parquet file; `bytes` is the share of its rows that has been read, times its size."""

    kind = "parquet"
    blank = 0

    def __init__(self, opened: OpenedFile, file: BinaryIO | io.RawIOBase) -> None:
        self.file = opened.file
        self.table = reading(lambda: _open(file))
        self.batches = Batches(opened.limits.row)
        check_names(self.table.schema_arrow.names)
        self._check_size(opened.limits)

    @property
    def rows(self) -> int:
        return self.batches.row

    @property
    def bytes(self) -> int:
        return int(self.bytes_total * self.rows / max(self.table.metadata.num_rows, 1))

    @property
    def bytes_total(self) -> int:
        return self.file.total

    def __iter__(self) -> Iterator[SourceRow | Refusal]:
        batches = iter(self.table.iter_batches(batch_size=ROWS_PER_BATCH, use_threads=False))
        while (batch := reading(lambda: next(batches, None))) is not None:
            yield from self.batches.rows(batch)
        self.file.watch.check()

    def _check_size(self, limits: Limits) -> None:
        metadata = self.table.metadata
        sizes = (metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
        limits.check_unpacked(sum(sizes), self.file.total)


def _open(file: BinaryIO | io.RawIOBase) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(file, buffer_size=PAGE_BUFFER, pre_buffer=False)


def reading(step: Callable[[], Any]) -> Any:
    """What a step of pyarrow gives; raises UnreadableFile where pyarrow finds the file broken."""
    import pyarrow as pa

    try:
        return step()
    except (pa.ArrowException, OSError, MemoryError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        said = str(error).strip().partition("\n")[0][:160].rstrip(".")
        raise UnreadableFile(f"The Parquet file is damaged or cut off ({said}). Write it again and send it.") from error
