"""Reads sealed Parquet: pairs in order, pages of them, and one small table of measures to ask questions of.

Everything streams or is asked through DuckDB; no function loads a version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.preferences.records import Conversation, Message, Pair

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection

    Column = np.ndarray[Any, np.dtype[Any]]

MEMORY_LIMIT = "512MB"
SPILL = ".spill"
PAIRS_PER_FETCH = 1_000
# One thread keeps the order by itself. Asked to keep it, DuckDB does not count the bytes of a row group, and 200 rows
# of 4 MB did not fit into 512 MB.
FOR_WRITING = "SET threads = 1; SET memory_limit = '256MB'; SET preserve_insertion_order = false"
WRITTEN_GROUP: dict[str, Any] = {"row_group_size": 8_192, "row_group_size_bytes": "16MB"}

# Columns that older versions lack, and what stands there then.
LATER_COLUMNS = {
    "label": "1.0::DOUBLE",
    "margin": "NULL::DOUBLE",
    "annotator": "NULL::VARCHAR",
    "source": "NULL::VARCHAR",
    "position": "NULL::TINYINT",
    "at": "NULL::VARCHAR",
    "tags": "[]::VARCHAR[]",
}

MULTI_TURN = "(len(prompt) > 1 OR len(chosen) > 1 OR coalesce(len(rejected), 1) > 1)"
# What the rules and pictures need of each row; a version of a million rows takes some 60 MB.
MEASURES = """
CREATE TABLE measures AS
SELECT row, split,
       hash(prompt) AS prompt_hash, hash(chosen) AS chosen_hash, hash(rejected) AS rejected_hash,
       rejected IS NOT NULL AS is_pair,
       {multi_turn} AS is_multi_turn, annotator, source, position, label, weight, margin,
       characters(prompt) AS prompt_length,
       characters(chosen) AS chosen_length, characters(rejected) AS rejected_length,
       -- The first letters settle nearly every row; only the rest is compared in full.
       CASE WHEN lower(ltrim(chosen[1].content))[:4] = lower(ltrim(rejected[1].content))[:4]
            THEN squeezed(chosen) = squeezed(rejected) ELSE false END AS is_same_but_for_space
FROM pairs
"""
MACROS = """
CREATE MACRO characters(turns) AS list_sum(list_transform(turns, lambda turn: length(turn.content)))::BIGINT;
CREATE MACRO text_of(turns) AS array_to_string(list_transform(turns, lambda turn: turn.content), chr(10) || chr(10));
CREATE MACRO squeezed(turns) AS
    replace(replace(replace(replace(lower(array_to_string(list_transform(turns, lambda turn: turn.content), ' ')),
    ' ', ''), chr(10), ''), chr(9), ''), chr(13), '');
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A pair at its place in a version."""

    number: int
    split: str
    pair: Pair


@contextmanager
def connection(beside: Path) -> Iterator[DuckDBPyConnection]:
    """An in-memory DuckDB that stays small and never reaches for the network.

    What does not fit into its memory goes to SPILL in the folder of `beside`; DuckDB clears that at the end, and what a
    killed process left there when the next one spills.
    """
    import duckdb

    settings: dict[str, Any] = {
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(beside.parent / SPILL),
        "threads": 2,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(config=settings) as database:
        yield database


def columns_of(database: DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> dict[str, Column]:
    """The columns of an answer; NaN in numbers and None in words where there is no value."""
    found = database.execute(query, list(values)).fetchnumpy()
    return {name: _without_mask(column) for name, column in found.items()}


def _without_mask(column: Column) -> Column:
    import numpy as np

    if not isinstance(column, np.ma.MaskedArray):
        return column
    if np.issubdtype(column.dtype, np.number):
        return np.ma.filled(column.astype(np.float64), np.nan)
    return np.ma.filled(column.astype(object), None)


@contextmanager
def measured(path: Path) -> Iterator[DuckDBPyConnection]:
    """A connection with the table `measures`: one row per pair, made in one scan of the version."""
    with connection(path) as database:
        database.execute(MACROS)
        view(database, path)
        database.execute(MEASURES.format(multi_turn=MULTI_TURN))
        yield database


def view(database: DuckDBPyConnection, path: Path, name: str = "pairs") -> None:
    """A view of a sealed file with every column of the format, whichever version of the format wrote it."""
    quoted = str(path).replace("'", "''")
    there = {column for column, *_ in database.execute(f"DESCRIBE FROM read_parquet('{quoted}')").fetchall()}
    added = ", ".join(f"{value} AS {column}" for column, value in LATER_COLUMNS.items() if column not in there)
    columns = f"*, {added}" if added else "*"
    database.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {columns} FROM read_parquet('{quoted}')")


def read_pairs(path: Path, split: str = "") -> Iterator[Pair]:
    """All pairs of a version (or of one split), in order, a thousand at a time."""
    query = "SELECT * FROM read_parquet(?) WHERE split = ? OR ? = ''"
    with connection(path) as database:
        result = database.execute(query, [str(path), split, split])
        names = _names(result)
        while records := result.fetchmany(PAIRS_PER_FETCH):
            for record in records:
                yield row_of(names, record).pair


Records = tuple[int, list[str], Iterator[list[tuple[Any, ...]]]]


@contextmanager
def records(path: Path) -> Iterator[Records]:
    """How many rows a sealed file has, the names of all columns of the format, and the values of every row, in order,
    some at a time: never across row groups, whose size in characters is bounded."""
    with connection(path) as database:
        view(database, path)
        groups = "SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata(?) ORDER BY ALL"
        sizes = [rows for _, rows in database.execute(groups, [str(path)]).fetchall()]
        result = database.execute("SELECT * FROM pairs")
        yield sum(sizes), _names(result), _batches(result, sizes)


def _batches(result: DuckDBPyConnection, sizes: Iterable[int]) -> Iterator[list[tuple[Any, ...]]]:
    for size in sizes:
        for start in range(0, size, PAIRS_PER_FETCH):
            yield result.fetchmany(min(PAIRS_PER_FETCH, size - start))


def page(path: Path, offset: int, limit: int, split: str = "") -> list[Row]:
    """`limit` rows from the `offset`-th on, of one split or (by default) of both."""
    with connection(path) as database:
        if split:
            query = "SELECT row FROM read_parquet(?) WHERE split = ? ORDER BY row LIMIT ? OFFSET ?"
            numbers = [number for (number,) in database.execute(query, [str(path), split, limit, offset]).fetchall()]
        else:
            numbers = list(range(offset, offset + limit))
        return _rows(database, path, numbers)


@dataclass(frozen=True, slots=True)
class Rows(Sequence[Row]):
    """All rows of a version, of one split, or those with given numbers; reads only what is sliced (for paginators)."""

    path: Path
    length: int
    split: str = ""
    numbers: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: Any) -> Any:
        start, stop, step = (key if isinstance(key, slice) else slice(key, key + 1)).indices(self.length)
        if step != 1:
            raise ValueError("Rows are read forwards.")
        if self.numbers is None:
            read = page(self.path, start, stop - start, self.split)
        else:
            read = rows(self.path, self.numbers[start:stop])
        return read if isinstance(key, slice) else read[0]


def rows(path: Path, numbers: Sequence[int]) -> list[Row]:
    """The rows with these numbers, in order."""
    with connection(path) as database:
        return _rows(database, path, numbers)


def _rows(database: DuckDBPyConnection, path: Path, numbers: Sequence[int]) -> list[Row]:
    if not numbers:
        return []
    # The bounds let DuckDB skip row groups; the list picks within them.
    query = "SELECT * FROM read_parquet(?) WHERE row BETWEEN ? AND ? AND list_contains(?, row) ORDER BY row"
    result = database.execute(query, [str(path), min(numbers), max(numbers), list(numbers)])
    names = _names(result)
    return [row_of(names, record) for record in result.fetchall()]


def _names(result: DuckDBPyConnection) -> list[str]:
    return [column[0] for column in result.description or []]


def row_of(names: Sequence[str], record: Sequence[Any]) -> Row:
    """A record of the sealed file as a row. Versions sealed by an older format lack the later columns."""
    values = dict(zip(names, record, strict=True))
    rejected = values["rejected"]
    pair = Pair(
        prompt=_conversation(values["prompt"]),
        chosen=_conversation(values["chosen"]),
        rejected=None if rejected is None else _conversation(rejected),
        weight=values["weight"],
        label=values.get("label", 1.0),
        margin=values.get("margin"),
        annotator=values.get("annotator") or "",
        source=values.get("source") or "",
        position=values.get("position") or 0,
        at=values.get("at") or "",
        tags=tuple(values.get("tags") or ()),
        extra=json.loads(values["extra"]),
        line=values["line"],
    )
    return Row(values["row"], values["split"], pair)


def _conversation(turns: list[dict[str, str]]) -> Conversation:
    return tuple(Message(turn["role"], turn["content"]) for turn in turns)


def multi_turn_rows(path: Path) -> int:
    """How many rows hold more than one message in prompt or answers, which TRL's standard form cannot hold."""
    query = f"SELECT count(*) FROM read_parquet(?) WHERE {MULTI_TURN}"
    with connection(path) as database:
        record = database.execute(query, [str(path)]).fetchone()
    return record[0] if record else 0


def write_found(database: DuckDBPyConnection, query: str, values: Sequence[Any], target: Path) -> None:
    """Writes an answer as Parquet, streamed in little memory: the web process does this for downloads."""
    database.execute(FOR_WRITING)
    database.sql(query, params=list(values)).write_parquet(str(target), compression="zstd", **WRITTEN_GROUP)


def copy_for_trl(path: Path, target: Path, *, plain: bool, demonstrations: bool, split: str = "") -> int:
    """Writes a version (or one split) as Parquet in TRL's standard or conversational form; returns how many rows."""
    value = "{0}[1].content AS {1}" if plain else "{0} AS {1}"
    answers = {"chosen": "completion"} if demonstrations else {"chosen": "chosen", "rejected": "rejected"}
    named = {"prompt": "prompt", **answers}
    columns = ", ".join(value.format(column, name) for column, name in named.items())
    names = ["weight", *LATER_COLUMNS, "split", "extra"]
    others = f"COLUMNS(lambda name: list_contains({names}, name))"  # those that there are
    query = f"SELECT {columns}, {others} FROM read_parquet(?) WHERE split = ? OR ? = ''"
    with connection(path) as database:
        write_found(database, query, [str(path), split, split], target)
        record = database.execute("SELECT count(*) FROM read_parquet(?)", [str(target)]).fetchone()
    return record[0] if record else 0
