"""Parquet files and data sets of the `datasets` library."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.preferences.sources.files import LINES, ROWS, read, refusals, values
from training.preferences.records import Problem, Refusal
from training.preferences.sources import ChangedWhileRead, UnreadableFile, open_hub, open_source


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.parquet"


def parquet(table: pa.Table, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return sink.getvalue().to_pybytes()


def test_rows_of_every_row_group_come_in_order(path):
    table = pa.Table.from_pylist([{"number": number} for number in range(1000)])
    found = read(path, parquet(table, row_group_size=300))
    assert [row.line for row in found] == list(range(1, 1001))
    assert [row["number"] for row in values(found)] == list(range(1000))


def test_parquet_may_be_packed_once_more(path):
    assert values(read(path, gzip.compress(parquet(pa.Table.from_pylist(ROWS))))) == ROWS


def test_values_come_as_json_has_them(path):
    """No number is null; times are ISO 8601; maps are objects; pandas' index is left out."""
    row = {
        "score": pa.array([float("nan")]),
        "at": pa.array([datetime(2026, 1, 2, tzinfo=UTC)]),
        "price": pa.array([Decimal("1.5")]),
        "facts": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        "kind": pa.array(["a"]).dictionary_encode(),
        "text": pa.array([b"abc"]),
        "nested": pa.array([[{"a": None}]]),
        "__index_level_0__": pa.array([7]),
    }
    [value] = values(read(path, parquet(pa.table(row))))
    expected = {"score": None, "at": "2026-01-02T00:00:00+00:00", "price": 1.5, "facts": {"k": 1}, "kind": "a"}
    assert value == expected | {"text": "abc", "nested": [{"a": None}]}
    json.dumps(value, allow_nan=False)


def test_a_cell_that_is_too_large_or_no_text_costs_its_row_alone(path):
    text = pa.array([b"a", b"x" * 5000, b"\xff", b"b"]).view(pa.binary()).cast(pa.binary())
    table = pa.table({"text": pa.StringArray.from_buffers(4, *text.buffers()[1:])})
    found = read(path, parquet(table), row=1000)
    assert [(refusal.line, refusal.problem) for refusal in refusals(found)] == [
        (2, Problem.TOO_LONG),
        (3, Problem.ENCODING),
    ]
    assert len(found) == 4


@pytest.mark.parametrize("damage", [slice(-50, None), slice(4, 40), slice(0, 4)], ids=["end", "data", "start"])
def test_a_damaged_file_is_refused_as_a_whole(path, damage):
    content = bytearray(parquet(pa.Table.from_pylist(ROWS), compression="gzip"))
    content[damage] = b"PAR1" + b"\xff" * (len(content[damage]) - 4) if damage.stop != 4 else b"PAR2"
    with pytest.raises(UnreadableFile):
        read(path, bytes(content))


@pytest.mark.parametrize(
    "table, said",
    [
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), "Two columns are named 'a'"),
        (pa.table({}), "no columns"),
    ],
)
def test_a_table_whose_columns_cannot_be_told_apart_is_refused(path, table, said):
    with pytest.raises(UnreadableFile, match=said):
        read(path, parquet(table))


def test_more_than_a_file_of_its_size_can_hold_is_refused(path):
    """A million equal numbers without a dictionary: 8 MB in some kB."""
    content = parquet(pa.table({"a": pa.array([7] * 1_000_000)}), use_dictionary=False, compression="zstd")
    with pytest.raises(UnreadableFile, match="unpacks to more than 10 times its size"):
        read(path, content, ratio=10, ratio_from=1000)


def test_a_parquet_file_that_changes_is_refused(path):
    path.write_bytes(parquet(pa.Table.from_pylist(ROWS)))
    with open_source(path) as source:
        rows = iter(source)
        next(rows)
        path.touch()
        with pytest.raises(ChangedWhileRead):
            list(rows)


# --- The datasets library -----------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path, monkeypatch) -> Path:
    from datasets import Dataset, DatasetDict, disable_progress_bars

    disable_progress_bars()
    folder = tmp_path / "saved"
    DatasetDict(train=Dataset.from_list(ROWS), test=Dataset.from_list(ROWS[:5])).save_to_disk(folder)
    return folder


def rows_of(name: Path | str, split: str = "") -> list:
    with open_hub(str(name), split=split) as source:
        found = list(source)
        assert source.rows == len(found)
        assert source.bytes == source.bytes_total > 0
    return found


def test_a_saved_folder_gives_the_split_asked_for_or_train(saved):
    assert values(rows_of(saved)) == ROWS
    assert values(rows_of(saved, split="test")) == ROWS[:5]
    assert values(rows_of(saved / "test")) == ROWS[:5]


def test_a_split_that_does_not_exist_is_said_with_those_that_do(saved):
    with pytest.raises(UnreadableFile, match="no split 'dev'; it has train, test"):
        rows_of(saved, split="dev")


def test_a_folder_of_files_is_read_split_by_split_with_rows_counted_through(tmp_path):
    (tmp_path / "train-1.jsonl").write_bytes(LINES)
    (tmp_path / "train-2.jsonl").write_bytes(b"bad\n" + LINES)
    (tmp_path / "test.jsonl").write_bytes(b'{"a": 1}\n')
    found = rows_of(tmp_path)
    assert [row.line for row in found] == list(range(1, 102))
    assert [refusal.line for refusal in refusals(found)] == [51]
    assert values(rows_of(tmp_path, split="test")) == [{"a": 1}]


def test_a_broken_file_of_a_folder_is_named(tmp_path):
    (tmp_path / "train.jsonl.gz").write_bytes(gzip.compress(LINES)[:-9])
    with pytest.raises(UnreadableFile, match=r"train.jsonl.gz: The gzip archive ends before"):
        rows_of(tmp_path)


def test_a_name_cannot_be_asked_for_without_a_hub():
    with pytest.raises(UnreadableFile, match="no such folder, and no hub may be asked"):
        rows_of("nobody/nothing")


@pytest.mark.parametrize("name", ["text", "json", "csv"])
def test_a_name_that_the_library_takes_for_a_reader_gives_no_files_of_the_working_directory(
    tmp_path, monkeypatch, name
):
    (tmp_path / "settings.txt").write_text("SECRET_KEY=hunter2")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableFile, match="is a kind of file, not a data set of the hub"):
        rows_of(name)


def test_a_refused_row_of_a_batch_keeps_its_place():
    from training.preferences.sources.columnar import Batches

    batch = pa.RecordBatch.from_pydict({"a": ["x", "y" * 100, "z"]})
    found = list(Batches(limit=60).rows(batch))
    assert [(row.line, isinstance(row, Refusal)) for row in found] == [(1, False), (2, True), (3, False)]
