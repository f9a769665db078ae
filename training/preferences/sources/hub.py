"""Data sets as the `datasets` library knows them: saved folders, folders of data files, names on a hub.

A folder's data files are found by the library and read by this package's own readers, which refuse a broken row
where the library would stop. No program of a data set is run: the library knows none any more. What a data set says
about itself may name its own files alone (declared.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from training.preferences.records import Refusal
from training.preferences.sources import declared
from training.preferences.sources.columnar import ROWS_PER_BATCH, Batches, check_names
from training.preferences.sources.opening import DEFAULT, open_source
from training.preferences.sources.rows import Limits, Source, SourceRow, UnreadableFile, Watch

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
SAVED = ("state.json", "dataset_dict.json")
USUAL_SPLIT = "train"


@contextmanager
def open_hub(name_or_folder: str, *, split: str = "", config: str = "", limits: Limits = DEFAULT) -> Iterator[Source]:
    """The rows of one split of a data set; without a name the only split, or `train`.

    `config` chooses among the variants of a data set that has several. Raises UnreadableFile where there is no such
    data set, split or variant, or no network to ask for it.
    """
    folder = Path(name_or_folder).expanduser()
    if folder.is_file():
        raise UnreadableFile(f"{folder.name} is a file and not a data set. Import it as a file.")
    if not folder.is_dir():
        yield Streamed(*_streamed(name_or_folder, split, config), limits)
    elif any((folder / mark).exists() for mark in SAVED):
        yield Saved(folder, split, limits)
    else:
        yield Files(_data_files(folder, split, config), limits)


def chosen(splits: Mapping[Any, T], split: str) -> T:
    """The split of this name, or the usual one."""
    names = {str(name): found for name, found in splits.items()}
    if not split and len(names) > 1 and USUAL_SPLIT not in names:
        raise UnreadableFile(f"The data set has the splits {', '.join(names)}. Say which one to import.")
    split = split or (USUAL_SPLIT if USUAL_SPLIT in names else next(iter(names), ""))
    if split not in names:
        raise UnreadableFile(f"The data set has no split {split!r}; it has {', '.join(names) or 'none'}.")
    return names[split]


def asking(step: Callable[[], T], name: str) -> T:
    """What the library answers; raises UnreadableFile with the first line of whatever it raises.

    It raises errors of every kind, from a hub's refusal to those of the parsers of all its formats.
    """
    try:
        return step()
    except UnreadableFile:
        raise
    except Exception as error:
        said = str(error).strip().partition("\n")[0][:200].rstrip(". ")
        if isinstance(error, ConnectionError) and _is_offline():
            said = "there is no such folder, and no hub may be asked while HF_HUB_OFFLINE is set"
        raise UnreadableFile(f"The data set {name[:80]!r} cannot be read: {said}.") from error


def _is_offline() -> bool:
    from datasets import config

    return bool(config.HF_HUB_OFFLINE)


def _streamed(name: str, split: str, variant: str) -> tuple[Any, str]:
    import datasets
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES as READERS

    if name in READERS:  # The library takes these for readers of files, and would read those that lie around here.
        raise UnreadableFile(f"{name!r} is a kind of file, not a data set of the hub. Name it as owner/name.")
    # Streams would load torch to ask it how many processes share them.
    datasets.config.TORCH_AVAILABLE = False
    asking(lambda: declared.check_repository(name), name)
    builder = asking(lambda: datasets.load_dataset_builder(name, variant or None), name)
    declared.check_resolved(builder, name, [builder.base_path or ""])
    return chosen(asking(builder.as_streaming_dataset, name), split), name


def _data_files(folder: Path, split: str, config: str) -> list[Path]:
    from datasets import load_dataset_builder

    declared.check_folder(folder)
    builder = asking(lambda: load_dataset_builder(str(folder), config or None), folder.name)
    declared.check_resolved(builder, folder.name, [str(folder.absolute()), str(folder.resolve())])
    return [Path(file) for file in chosen(builder.config.data_files or {}, split)]


class Saved:
    """A split that `save_to_disk` wrote; `bytes` is the share of its rows that has been read, times its size."""

    kind = "hub"
    blank = 0

    def __init__(self, folder: Path, split: str, limits: Limits) -> None:
        from datasets import Dataset, load_from_disk

        declared.check_saved(folder)
        found = asking(lambda: load_from_disk(str(folder)), folder.name)
        self.name = folder.name
        self.data = found if isinstance(found, Dataset) else chosen(found, split)
        check_names(self.data.column_names)
        self.batches = Batches(limits.row)
        self.watches = [Watch(Path(file["filename"])) for file in self.data.cache_files]
        self.bytes_total = sum(watch.stamp[0] for watch in self.watches if watch.stamp)

    @property
    def rows(self) -> int:
        return self.batches.row

    @property
    def bytes(self) -> int:
        return int(self.bytes_total * self.rows / max(self.data.num_rows, 1))

    def __iter__(self) -> Iterator[SourceRow | Refusal]:
        yield from _rows_of(self.data, self.batches, self.name)
        for watch in self.watches:
            watch.check()


class Streamed:
    """A split that comes over the network; how much there is, the hub may not know."""

    kind = "hub"
    blank = 0

    def __init__(self, data: Any, name: str, limits: Limits) -> None:
        self.data = data
        self.name = name
        self.batches = Batches(limits.row)
        known = (data.info.splits or {}).get(data.split)
        self.rows_total = (known.num_examples or 0) if known else 0
        self.bytes_total = (known.num_bytes or 0) if known else 0

    @property
    def rows(self) -> int:
        return self.batches.row

    @property
    def bytes(self) -> int:
        return int(self.bytes_total * min(1.0, self.rows / max(self.rows_total, 1)))

    def __iter__(self) -> Iterator[SourceRow | Refusal]:
        return _rows_of(self.data, self.batches, self.name)


def _rows_of(data: Any, batches: Batches, name: str) -> Iterator[SourceRow | Refusal]:
    """Rows of a data set of either kind, without decoding pictures or sound."""
    tables: Iterator[pa.Table] = asking(lambda: iter(data.with_format("arrow").iter(ROWS_PER_BATCH)), name)
    while (table := asking(lambda: next(tables, None), name)) is not None:
        for batch in table.to_batches():
            yield from batches.rows(batch)


class Files:
    """The rows of several files, one after the other; rows are counted through."""

    kind = "hub"

    def __init__(self, paths: list[Path], limits: Limits) -> None:
        self.paths = paths
        self.limits = limits
        self.bytes_total = sum(path.stat().st_size for path in paths)
        self.rows = 0
        self.blank = 0
        self._ended = 0
        self._current: Source | None = None

    @property
    def bytes(self) -> int:
        return self._ended + (self._current.bytes if self._current else 0)

    def __iter__(self) -> Iterator[SourceRow | Refusal]:
        for path in self.paths:
            try:
                yield from self._rows_of(path)
            except UnreadableFile as error:
                raise type(error)(f"{path.name}: {error}") from error

    def _rows_of(self, path: Path) -> Iterator[SourceRow | Refusal]:
        with open_source(path, limits=self.limits) as self._current:
            for row in self._current:
                self.rows += 1
                yield _numbered(row, self.rows)
            self.blank += self._current.blank
            self._ended += self._current.bytes_total
            self._current = None


def _numbered(row: SourceRow | Refusal, number: int) -> SourceRow | Refusal:
    if isinstance(row, SourceRow):
        return SourceRow(number, row.value)
    return Refusal(number, row.problem, row.reason, row.text)
