"""JSON Lines and JSON documents: every row once, broken ones with a reason, huge ones without holding them."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.training.preferences.sources.files import ROWS, read, refusals, values
from training.preferences.records import Problem, Refusal, RowProblem
from training.preferences.sources import Limits, SourceRow, UnreadableFile, open_source
from training.preferences.sources.json_text import parse_object

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BROKEN = st.sampled_from([b"{", b'{"a": 1', b"[1]", b"3", b'"x"', b"\xff\xfe", b"{'a': 1}", b"\0", b'{"a":1,"a":2}'])
OBJECTS = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.text(max_size=20), max_size=4)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "upload"


@quick
@given(st.lists(st.one_of(OBJECTS.map(lambda row: json.dumps(row).encode()), BROKEN, st.just(b" "), st.binary())))
def test_rows_refused_and_blank_are_all_lines(tmp_path, lines):
    """Whatever the lines hold, behind a first one that makes the file look like JSON Lines."""
    content = b'{"first": "' + b"x" * 4096 + b'"}\n' + b"\n".join(line.replace(b"\n", b"") for line in lines) + b"\n"
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with open_source(path, limits=Limits(row=40)) as source:
        found = list(source)
        assert source.rows + source.blank == content.count(b"\n")
        assert source.rows == len(found)
    assert [row.line for row in found] == sorted({row.line for row in found})


@quick
@given(st.lists(st.one_of(OBJECTS, st.integers(), st.text(), st.lists(OBJECTS)), min_size=1), st.booleans())
@example([{'"': "\\"}, {"\\": '"}{['}], True)
def test_every_element_of_a_list_is_a_row(tmp_path, elements, indented):
    content = b"[" + json.dumps(elements, indent=2 if indented else None).encode()[1:]
    found = read(tmp_path / "rows.json", content)
    assert [row.line for row in found] == list(range(1, len(elements) + 1))
    for row, element in zip(found, elements, strict=True):
        assert row.value == element if isinstance(row, SourceRow) else not isinstance(element, dict)


@quick
@given(st.binary(max_size=200))
def test_whatever_follows_in_a_list_gives_rows_or_a_sentence(tmp_path, rest):
    (tmp_path / "rows.json").write_bytes(b'[{"a": 1},' + rest)
    try:
        with open_source(tmp_path / "rows.json") as source:
            found = list(source)
            assert source.rows == len(found)
    except UnreadableFile as error:
        said = str(error)
        assert said.endswith(".")


@pytest.mark.parametrize("step", [1, 7, 64])
def test_a_list_is_cut_at_the_same_places_wherever_its_pieces_end(path, monkeypatch, step):
    """Backslashes, quotes and brackets in texts, with pieces of 1, 7 and 64 bytes."""
    rows = [{"a": '\\"}{][,\\\\', "b": [["]"], {"é": "\\"}]}] * 5
    monkeypatch.setattr("training.preferences.sources.files.BUFFER", step)
    assert values(read(path, json.dumps(rows).encode())) == rows


def test_a_broken_row_of_a_list_costs_nobody_else(path):
    content = b'[{"a": 1}, {"a": NaN}, {"a": "\xe9"}, 5, {"a": 1, "a": 2}, {"a": 3}]'
    found = read(path, content)
    assert [refusal.problem for refusal in refusals(found)] == [
        Problem.SYNTAX,
        Problem.ENCODING,
        Problem.NOT_AN_OBJECT,
        Problem.REPEATED,
    ]
    assert [row.line for row in found if isinstance(row, SourceRow)] == [1, 6]


@pytest.mark.parametrize(
    "content, said",
    [
        (b'[{"a": 1}, {"a": ', "cut off"),
        (b'[{"a": 1}, ', "after row 1: it was cut off"),
        (b'[{"a": 1} {"a": 2}]', "After row 1, at byte 11, a comma or the closing ] was expected, found '{\"a\": 2}]'"),
        (b'[{"a": 1}] [2]', "something follows"),
        (b'{"a": {},\n"b": 3}', "holds no list of objects"),
        (b'{"a": [{}],\n"b": [{}]}', "several lists of rows"),
        (b'{"a": [1, 2], "b": ["x"]}', "same number of rows: a 2, b 1"),
    ],
)
def test_a_document_whose_rows_cannot_be_told_apart_is_refused(path, content, said):
    with pytest.raises(UnreadableFile) as caught:
        read(path, content, "rows.json")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        {"version": [1, "]"], "data": ROWS, "more": {"a": []}},
        {name: [row[name] for row in ROWS] for name in ROWS[0]},
        {name: {str(number): row[name] for number, row in enumerate(ROWS)} for name in ROWS[0]},
    ],
    ids=["a list inside", "columns", "columns of pandas"],
)
def test_an_object_with_rows_inside_is_read(path, document):
    assert values(read(path, json.dumps(document).encode(), "rows.json")) == ROWS


def test_columns_are_read_up_to_a_limit(path):
    with pytest.raises(UnreadableFile, match="in columns is read up to"):
        read(path, json.dumps({"a": ["x"] * 100}).encode(), "rows.json", whole=100)


@pytest.mark.parametrize("before, after", [(b"", b""), (b"[", b"]")], ids=["line", "element"])
def test_a_row_of_ninety_megabytes_is_refused_and_never_held(path, before, after):
    """Between two small rows; at most 16 MB are allocated at any time."""
    comma = b"," if before else b""
    with path.open("wb") as file:
        file.write(before + b'{"a": 1}' + comma + b'\n{"a": "')
        for _ in range(100):
            file.write(b'\\"}{\\\\xxx' * 100_000)
        file.write(b'"}' + comma + b'\n{"a": 3}' + after)
    tracemalloc.start()
    with open_source(path) as source:
        first, huge, last = source
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (first.line, last.line) == (1, 3)
    assert isinstance(huge, Refusal)
    assert huge.problem == Problem.TOO_LONG
    assert "90,000,0" in huge.reason
    assert peak < 16e6


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}"])
def test_deep_nesting_is_a_refused_row(path, content):
    [first, second] = read(path, content + b'\n{"a": 1}\n', "rows.jsonl")
    assert isinstance(first, Refusal)
    assert first.problem == Problem.NESTED
    assert isinstance(second, SourceRow)


@pytest.mark.parametrize(
    "text, said",
    [
        (b'{"a": *}', "at byte 7, a value was expected"),
        (b'{"a": None}', "at byte 7, None is not a JSON value; write null"),
        (b'{"a": True}', "write true"),
        (b'{"a": -Infinity}', "Infinity is not a JSON value"),
        (b"{'a': 1}", "at byte 2, a name in double quotes must stand here"),
        (b'{"a": 1,}', "a comma with nothing after it"),
        (b'{"a": 1} {"b": 2}', "every row needs a line of its own"),
        (b'{"a": "b', "the row seems to be cut off"),
        (b'{"a": "\t"}', "must be written as"),
        (b'{"a": \0}', "Byte 7 of the row is NUL"),
        (b'{"a": "\xe9"}', "Byte 8 of the row (0xe9) is not valid UTF-8"),
        (b'{"a": "\\ud800"}', "has no other half"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b"[1, 2]", "must be a JSON object, found [1, 2]"),
    ],
)
def test_what_is_not_json_is_said_in_words_with_the_place(text, said):
    with pytest.raises(RowProblem) as caught:
        parse_object(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("row", [{"a": "a", "b": '"a"'}, {"a": {"a": 1}}, {}, {str(name): name for name in range(30)}])
def test_a_name_that_is_also_a_value_or_nested_does_not_stand_twice(row):
    assert parse_object(json.dumps(row).encode()) == row
