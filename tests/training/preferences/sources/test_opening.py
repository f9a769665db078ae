"""Which reader a file gets, what is refused as a whole, and files that change."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.training.preferences.sources.files import LINES, ROWS, read, refusals, values
from training.preferences.sources import ChangedWhileRead, Limits, UnreadableFile, files, open_source

PAIR = {"chosen": [{"role": "user", "content": "a"}], "rejected": [{"role": "user", "content": "b"}]}
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


def kind(path: Path, content: bytes | str, name: str = "rows") -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with open_source(path, name=name) as source:
        return source.kind


@pytest.fixture
def path(tmp_path):
    return tmp_path / "upload"


@pytest.mark.parametrize(
    "content, name, expected",
    [
        (LINES, "rows.json", "jsonl"),
        (json.dumps(ROWS), "rows.jsonl", "json"),
        (json.dumps(ROWS, indent=2), "rows", "json"),
        (json.dumps({"version": 1, "data": ROWS}), "rows.json", "json"),
        (json.dumps({"data": ROWS}, indent=1), "rows", "json"),
        (json.dumps(COLUMNS), "rows.json", "json"),
        (json.dumps(PAIR), "rows.json", "jsonl"),
        (json.dumps(PAIR, indent=1), "rows.jsonl", "json"),
        (b'{"prompt": "cut \n' + LINES, "rows", "jsonl"),
        (b"# a remark\n" + LINES, "rows", "jsonl"),
        (b"[1, 2]\n" + LINES, "rows.jsonl", "jsonl"),
        (b'{"a": "' + b"x" * 100_000 + b'"}\n{"a": 1}\n', "rows.jsonl", "jsonl"),
        ("prompt,chosen,rejected\na,b,c\n", "rows", "csv"),
        ("a\tb\n1\t2\n", "rows.tsv", "csv"),
        ("only\nx\n", "rows.csv", "csv"),
        (b"\xef\xbb\xbf[]", "rows", "json"),
        ("hello\nworld\n", "rows.txt", "jsonl"),
    ],
)
def test_the_content_says_what_a_file_is_and_the_name_where_it_does_not(path, content, name, expected):
    assert kind(path, content, name) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
@pytest.mark.parametrize("text", [LINES.decode(), json.dumps(ROWS)])
def test_text_with_a_byte_order_mark_is_decoded(path, encoding, text):
    assert values(read(path, text.encode(encoding))) == ROWS


def test_half_a_character_of_utf_16_costs_its_row_alone(path):
    """U+D83D without its other half, in the first of two rows."""
    content = '{"a": "\ud83d"}\n{"a": 1}\n'.encode("utf-16", "surrogatepass")
    found = read(path, content)
    assert [refusal.line for refusal in refusals(found)] == [1]
    assert len(found) == 2


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "is empty"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"SQLite format 3\0", "an SQLite database"),
        ("hello".encode("utf-16-le") * 100, "not text, or text in UTF-16 without"),
        (b"x" * 257 + b"ustar" + b"x" * 300, "a tar archive"),
        ("a,b\n1,2".encode("utf-16")[:-1], "begins as UTF-16 and then is not"),
    ],
)
def test_what_no_reader_exists_for_is_refused_with_a_sentence(path, content, said):
    with pytest.raises(UnreadableFile, match=said):
        read(path, content)


def test_a_folder_and_a_missing_file_are_told_apart(tmp_path):
    with pytest.raises(UnreadableFile, match="is a folder"), open_source(tmp_path):
        pass
    with pytest.raises(FileNotFoundError), open_source(tmp_path / "none"):
        pass


def test_a_file_that_may_not_be_read_is_refused_with_a_sentence(path, monkeypatch):
    """As root nothing is forbidden, so the refusal of the system is put in its place."""
    path.write_bytes(LINES)

    def forbidden(_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(files, "WatchedFile", forbidden)
    with pytest.raises(UnreadableFile, match="Change its permissions"), open_source(path):
        pass


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(LINES)


def replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.replace(other, path)


def touch(path: Path) -> None:
    os.utime(path, ns=(0, 12345))


@pytest.mark.parametrize("change", [grow, replace, touch, Path.unlink])
@pytest.mark.parametrize("content", [LINES, json.dumps(ROWS).encode(), b"a,b\n1,2\n3,4\n"])
def test_a_file_that_changes_while_it_is_read_is_refused(path, change, content):
    path.write_bytes(content)
    with open_source(path) as source:
        rows = iter(source)
        next(rows)
        change(path)
        with pytest.raises(ChangedWhileRead, match="Import it again"):
            list(rows)


def test_a_change_is_seen_before_the_end(path, monkeypatch):
    """3 MB in lines of 8 bytes; the file looks at itself after every MiB instead of every 64."""
    monkeypatch.setattr(files, "BYTES_BETWEEN_LOOKS", 2**20)
    path.write_bytes(b'{"a":1}\n' * 400_000)
    with open_source(path) as source:
        rows = iter(source)
        next(rows)
        grow(path)
        with pytest.raises(ChangedWhileRead):
            list(rows)
        assert source.rows < 400_000


def test_limits_are_taken_from_the_caller(path):
    assert len(refusals(read(path, LINES, row=10))) == len(ROWS)
    assert Limits().row == 4 * 2**20
