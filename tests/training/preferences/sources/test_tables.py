"""CSV and TSV: every record once, with the line where it begins."""

from __future__ import annotations

import csv
import io
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.training.preferences.sources.files import read, refusals, values
from training.preferences.formats import interpret
from training.preferences.records import Message, Problem, Refusal
from training.preferences.sources import Limits, SourceRow, UnreadableFile, open_source

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\r\t"), max_size=12)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.csv"


def written(rows: list[list[str]], delimiter: str = ",") -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows(rows)
    return file.getvalue().encode()


@quick
@given(st.lists(st.tuples(CELLS, CELLS.filter(lambda cell: not cell.startswith(("[", "{"))))), st.sampled_from(",;\t|"))
def test_what_a_table_was_written_from_is_what_is_read(tmp_path, rows, delimiter):
    content = written([["first one", "second"], *(["x" + one, two] for one, two in rows)], delimiter=delimiter)
    expected = [{"first one": "x" + one, "second": two} for one, two in rows]
    assert values(read(tmp_path / "rows.csv", content)) == expected


@quick
@given(
    st.lists(st.sampled_from([b"1,2\n", b'"a\nb",2\n', b"1,2,3\n", b"\n", b"\xe9,1\n", b'"x"y,2\n', b"\0,1\n", b"7\n"]))
)
def test_rows_refused_and_blank_are_all_records(tmp_path, records):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a," + b"b" * 4096 + b"\n" + b"".join(records))
    with open_source(path) as source:
        found = list(source)
        assert source.rows + source.blank == len(records)
        assert source.rows == len(found)
    begins = [2 + sum(record.count(b"\n") for record in records[:number]) for number in range(len(records))]
    assert [row.line for row in found] == [
        line for line, record in zip(begins, records, strict=True) if record != b"\n"
    ]


@quick
@given(st.binary(max_size=200))
def test_whatever_follows_a_header_gives_rows_or_a_sentence(tmp_path, rest):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"prompt," + b"x" * 4096 + b"\n" + rest)
    try:
        with open_source(path, limits=Limits(row=5000)) as source:
            found = list(source)
            assert source.rows == len(found)
    except UnreadableFile as error:
        said = str(error)
        assert said.endswith(".")


@pytest.mark.parametrize(
    "record, problem, said",
    [
        (b"1,2,3", Problem.CELLS, "The row has 3 cells, the header 2"),
        (b"1", Problem.CELLS, "The row has 1 cell, the header 2"),
        (b'1,"x"y', Problem.CELLS, "A quote stands where none may"),
        (b"1,\xe9", Problem.ENCODING, "Byte 3 of the row (0xe9)"),
        (b"1,\0", Problem.ENCODING, "NUL"),
        (b"1," + b"x" * 100, Problem.TOO_LONG, "at most 50"),
        (b'1,"' + b"x\n" * 100 + b'"', Problem.TOO_LONG, "at most 50"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_its_line_and_the_next_one_read(path, record, problem, said):
    found = read(path, b"a,b\n" + record + b"\n3,4\n", row=50)
    [refusal] = refusals(found)
    assert (refusal.line, refusal.problem) == (2, problem)
    assert said in refusal.reason
    assert isinstance(found[1], SourceRow)
    assert found[1].value == {"a": "3", "b": "4"}
    assert found[1].line == 3 + record.count(b"\n")


def test_a_quote_that_is_never_closed_stops_the_import_and_names_the_line(path):
    with pytest.raises(UnreadableFile, match="begins in line 3 is never closed"):
        read(path, b'a,b\n1,2\n1,"x\n3,4\n')
    with pytest.raises(UnreadableFile, match="begins in line 3 is never closed"):
        read(path, b'a,b\n1,2\n1,"x\n' + b"3,4\n" * 100, row=50)


@pytest.mark.parametrize("header, said", [(b"a,a\n", "two columns named 'a'"), (b"\xe9,b\n", "not valid UTF-8")])
def test_a_header_that_cannot_be_used_is_refused(path, header, said):
    with pytest.raises(UnreadableFile, match=said):
        read(path, header + b"1,2\n")


def test_lists_and_objects_in_cells_are_read_as_json(path):
    content = written([["a", "b", "c"], ['[{"role": "user"}]', '{"x": 1}', "[sic] it is"]])
    assert values(read(path, content)) == [{"a": [{"role": "user"}], "b": {"x": 1}, "c": "[sic] it is"}]


def test_a_number_in_a_cell_is_one_only_for_a_column_of_numbers(path):
    """The prompt 42 stays text, the margin 0.5 is read; an empty cell is no margin and no annotator."""
    found = read(path, b"prompt,chosen,rejected,margin,annotator\n42,43,44,0.5,7\n-1,.5,1e3,,\n")
    first, second = (interpret(value, 1) for value in values(found))
    assert (first.prompt[0].content, first.chosen[0].content, first.margin, first.annotator) == ("42", "43", 0.5, "7")
    assert (second.rejected, second.margin, second.annotator) == ((Message("assistant", "1e3"),), None, "")
    assert second.extra == {}


def test_quotes_with_a_backslash_before_them_are_understood(path):
    assert values(read(path, b'a,b\n"say \\"hi\\"",2\n')) == [{"a": 'say "hi"', "b": "2"}]


def test_a_cell_of_thirty_megabytes_is_refused_and_never_held(path):
    path.write_bytes(b'a,b\n1,"' + (b"x" * 99 + b"\n") * 300_000 + b'"\n3,4\n')
    tracemalloc.start()
    with open_source(path) as source:
        huge, last = source
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(huge, Refusal)
    assert "30,000," in huge.reason
    assert last.line == 300_003
    assert peak < 24e6
