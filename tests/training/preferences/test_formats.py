"""Reading JSON Lines: what is understood, what is refused and why, and that nothing disappears."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.preferences.pairs import assistant, pair, source_line, user
from training.preferences.formats import JsonLines, UnreadableFile, hint, read_line, refuse_foreign
from training.preferences.records import Message, Pair, Problem, Refusal


def read(content: bytes, **settings) -> list[Pair | Refusal]:
    return list(JsonLines(io.BytesIO(content), **settings))


def the_pair(line: bytes) -> Pair:
    [result] = read(line)
    assert isinstance(result, Pair), result
    return result


def the_refusal(line: bytes, **settings) -> Refusal:
    [result] = read(line, **settings)
    assert isinstance(result, Refusal), result
    return result


# --- What is understood -------------------------------------------------------------------------------------------


def test_plain_text_becomes_single_turns():
    assert the_pair(source_line()) == pair(line=1)


def test_conversational_and_plain_rows_may_be_mixed():
    line = source_line([user("Capital of Pelund?")], [assistant("Aro.")], [assistant("Teku.")])
    assert read(source_line() + line) == [pair(line=1), pair(line=2)]


def test_a_prompt_repeated_in_the_answers_is_taken_off():
    question = user("Capital of Pelund?")
    line = source_line("Capital of Pelund?", [question, assistant("Aro.")], [question, assistant("Teku.")])
    assert the_pair(line) == pair(line=1)


def test_whole_conversations_without_a_prompt_share_one():
    start = [user("Hello"), assistant("Hi."), user("Capital of Pelund?")]
    row = {"chosen": [*start, assistant("Aro.")], "rejected": [*start, assistant("Teku.")]}
    result = the_pair(json.dumps(row).encode())
    assert [message.content for message in result.prompt] == ["Hello", "Hi.", "Capital of Pelund?"]
    assert result.chosen == (Message("assistant", "Aro."),)


def test_a_shared_first_sentence_of_the_answer_stays_in_the_answer():
    start = [user("Capital of Pelund?"), assistant("Let me think.")]
    row = {"chosen": [*start, assistant("Aro.")], "rejected": [*start, assistant("Teku.")]}
    result = the_pair(json.dumps(row).encode())
    assert len(result.prompt) == 1
    assert len(result.chosen) == 2


@pytest.mark.parametrize("answer", ["completion", "chosen"])
def test_a_prompt_with_one_answer_is_a_demonstration(answer):
    line = json.dumps({"prompt": "Capital of Pelund?", answer: "Aro."}).encode()
    assert the_pair(line) == pair(rejected=None, line=1)


def test_other_columns_are_kept():
    result = the_pair(source_line(source="forum", tags=["a", {"b": None}], score=0.25))
    assert result.extra == {"source": "forum", "tags": ["a", {"b": None}], "score": 0.25}


def test_what_a_message_holds_beside_role_and_content_is_kept():
    line = source_line([user("Capital of Pelund?") | {"name": "Bob"}])
    assert the_pair(line).extra == {"prompt[0].name": "Bob"}


def test_a_weight_is_read():
    assert the_pair(source_line(weight=2)).weight == 2.0


def test_label_and_margin_are_read_and_a_label_below_one_half_turns_nothing_over():
    result = the_pair(source_line(label=0.25, margin=2))
    assert (result.label, result.margin) == (0.25, 2.0)
    assert (result.chosen, result.rejected, dict(result.extra)) == (pair().chosen, pair().rejected, {})


def test_without_columns_the_label_is_certain_and_the_margin_unknown():
    assert (the_pair(source_line()).label, the_pair(source_line()).margin) == (1.0, None)


def test_an_empty_system_message_is_a_choice_and_not_a_mistake():
    line = source_line([{"role": "system", "content": ""}, user("Capital of Pelund?")])
    assert len(the_pair(line).prompt) == 2


def test_byte_order_mark_windows_line_ends_and_a_missing_last_line_end_do_no_harm():
    line = source_line().rstrip()
    assert read(b"\xef\xbb\xbf" + line + b"\r\n" + line) == [pair(line=1), pair(line=2)]


def test_blank_lines_are_counted_but_are_no_rows():
    """Line 1 blank, line 2 a pair, line 3 spaces, line 4 a pair: 4 lines = 2 blank + 2 rows."""
    reader = JsonLines(io.BytesIO(b"\n" + source_line() + b"  \t\r\n" + source_line()))
    rows = list(reader)
    assert [row.line for row in rows] == [2, 4]
    assert (reader.lines, reader.blank) == (4, 2)


# --- What is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row, problem, said",
    [
        ({"prompt": "", "chosen": "a", "rejected": "b"}, Problem.EMPTY, "prompt is empty"),
        ({"prompt": " \n", "chosen": "a", "rejected": "b"}, Problem.EMPTY, "prompt is empty"),
        ({"prompt": "p", "chosen": "", "rejected": "b"}, Problem.EMPTY, "chosen is empty"),
        ({"prompt": "p", "chosen": "a", "rejected": []}, Problem.EMPTY, "rejected holds no answer"),
        ({"prompt": [], "chosen": "a", "rejected": "b"}, Problem.EMPTY, "empty list"),
        ({"prompt": "p", "chosen": "a", "rejected": "a"}, Problem.IDENTICAL, "the same text"),
        ({"chosen": [user("p"), assistant("a")], "rejected": [user("p"), assistant("a")]}, Problem.IDENTICAL, "same"),
        ({"prompt": 3, "chosen": "a", "rejected": "b"}, Problem.TYPE, "found the number 3"),
        ({"prompt": "p", "chosen": None, "rejected": "b"}, Problem.TYPE, "found null"),
        ({"prompt": "p", "chosen": {"a": 1}, "rejected": "b"}, Problem.TYPE, "found an object"),
        ({"prompt": ["hi"], "chosen": "a", "rejected": "b"}, Problem.TYPE, "prompt, message 1"),
        ({"prompt": [{"role": "user", "content": []}], "chosen": "a", "rejected": "b"}, Problem.TYPE, "found a list"),
        ({"prompt": [{"role": ["x"], "content": "p"}], "chosen": "a", "rejected": "b"}, Problem.ROLES, "role must be"),
        ({"prompt": [{"content": "p"}], "chosen": "a", "rejected": "b"}, Problem.ROLES, "found nothing"),
        ({"prompt": [assistant("p")], "chosen": "a", "rejected": "b"}, Problem.ROLES, "must end with a user"),
        ({"prompt": "p", "chosen": [user("a")], "rejected": "b"}, Problem.ROLES, "only assistant messages"),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "weight": 0}, Problem.WEIGHT, "above 0"),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "weight": "2"}, Problem.WEIGHT, "found the text '2'"),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "weight": True}, Problem.WEIGHT, "found true"),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "weight": 10**400}, Problem.WEIGHT, "too large"),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "label": 0}, Problem.LABEL, "above 0 and at most 1"),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "label": 1.01}, Problem.LABEL, "above 0 and at most 1"),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "label": True}, Problem.LABEL, "Rename the column"),
        ({"prompt": "p", "completion": "a", "label": 0.5}, Problem.LABEL, "no rejected answer"),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "margin": -0.1}, Problem.MARGIN, "0 or more"),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "margin": "large"}, Problem.MARGIN, "found the text 'large'"),
        ({"prompt": "p", "rejected": "b"}, Problem.COLUMNS, "'chosen' (or 'completion') is missing"),
        ({"question": "p", "answer": "b"}, Problem.COLUMNS, "the row has 'question', 'answer'"),
        ({"prompt": "p", "chosen": "a", "Rejected": "b"}, Problem.COLUMNS, "'rejected' is missing"),
        ({"chosen": "a", "rejected": "b"}, Problem.COLUMNS, "'prompt' is missing"),
        ({"chosen": [assistant("a")], "rejected": [assistant("b")]}, Problem.COLUMNS, "same user message"),
        ({}, Problem.COLUMNS, "no columns"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_its_reason(row, problem, said):
    refusal = the_refusal(json.dumps(row).encode())
    assert refusal.problem == problem
    assert said in refusal.reason


@pytest.mark.parametrize(
    "line, problem, said",
    [
        (b"hello", Problem.SYNTAX, "not JSON"),
        (b'{"prompt": "p", "chosen": "a", "rej', Problem.SYNTAX, "cut off"),
        (b'{"prompt": NaN}', Problem.SYNTAX, "not JSON"),
        (b'"\\ud800"', Problem.SYNTAX, "not JSON"),
        (b"[" * 100_000, Problem.SYNTAX, "recursion"),
        (b"[1, 2]", Problem.NOT_AN_OBJECT, "found a list"),
        (b"null", Problem.NOT_AN_OBJECT, "found null"),
        (b'{"prompt": "caf\xe9"}', Problem.ENCODING, "Byte 16 of the row (0xe9) is not valid UTF-8"),
        (b'{"prompt":"p","chosen":"a","rejected":"b","score":1e999}', Problem.TYPE, "range of a double"),
    ],
)
def test_a_line_that_is_no_json_object_is_refused_with_its_reason(line, problem, said):
    refusal = the_refusal(line)
    assert refusal.problem == problem
    assert said in refusal.reason


def test_a_refusal_shows_the_text_of_its_row_with_bytes_that_are_no_text_escaped():
    assert the_refusal(b'{"prompt": "caf\xe9"}\n').text == '{"prompt": "caf\\xe9"}'


def test_a_line_as_long_as_the_limit_is_read_and_one_byte_more_is_refused():
    line = source_line()
    assert isinstance(read(line, limit=len(line) - 1)[0], Pair)
    assert the_refusal(line, limit=len(line) - 2).problem == Problem.TOO_LONG


def test_the_line_after_a_long_one_is_read():
    reader = JsonLines(io.BytesIO(b"x" * 5000 + b"\n" + source_line()), limit=1000)
    refusal, after = list(reader)
    assert isinstance(refusal, Refusal)
    assert "5,001 bytes" in refusal.reason
    assert after == pair(line=2)
    assert reader.bytes == 5001 + len(source_line())


class EndlessLine(io.RawIOBase):
    """A stream of one line of `size` bytes that exists nowhere as a whole."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = min(len(buffer), self.left)
        buffer[:count] = b"x" * count
        self.left -= count
        return count


def test_a_line_of_one_gigabyte_is_refused_without_being_held_in_memory():
    tracemalloc.start()
    try:
        [refusal] = JsonLines(io.BufferedReader(EndlessLine(10**9), 1024 * 1024))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(refusal, Refusal)
    assert "1,000,000,000 bytes" in refusal.reason
    assert len(refusal.text) < 1000
    assert peak < 32 * 1024 * 1024


# --- Files as a whole ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head, said",
    [(b"\x1f\x8b\x08", "gzip"), (b"PK\x03\x04", "zip"), (b"PAR1", "Parquet"), ("{}".encode("utf-16"), "UTF-16")],
)
def test_a_file_of_another_kind_is_named(head, said):
    with pytest.raises(UnreadableFile, match=said):
        refuse_foreign(head)


def test_json_lines_are_not_taken_for_another_kind():
    refuse_foreign(b"\xef\xbb\xbf" + source_line())


def test_a_json_array_and_indented_json_are_recognised():
    assert "JSON array" in hint(b'\n[{"prompt": 1}]')
    assert "indented" in hint(b'{\n  "prompt": 1')
    assert hint(source_line()) == ""


# --- Nothing disappears -------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": st.text()}),
    max_size=4,
)
ROWS = st.dictionaries(
    st.sampled_from(["prompt", "chosen", "rejected", "completion", "weight", "label", "margin", "other", "Rejected"]),
    JSON | MESSAGES | st.text(),
).map(lambda row: json.dumps(row).encode())
LINES = st.lists(st.binary() | ROWS | st.sampled_from([b"", b" ", b"\xef\xbb\xbf", source_line().rstrip()]))


@settings(max_examples=150, deadline=None)
@given(lines=LINES, end=st.sampled_from([b"", b"\n", b"\r\n"]), limit=st.sampled_from([8, 64, 4 * 1024 * 1024]))
def test_every_line_is_accepted_refused_or_blank(lines, end, limit):
    """accepted + refused + blank = lines, each line at most once, for any bytes whatever."""
    content = b"\n".join(lines) + end
    reader = JsonLines(io.BytesIO(content), limit=limit)
    numbers = [row.line for row in reader]
    assert numbers == sorted(set(numbers))
    assert (
        len(numbers) + reader.blank
        == reader.lines
        == content.count(b"\n") + (not content.endswith(b"\n") and content != b"")
    )
    assert reader.bytes == len(content)


@settings(max_examples=150, deadline=None)
@given(row=ROWS)
def test_a_row_is_usable_or_refused_with_a_sentence(row):
    result = read_line(row, 7)
    assert result.line == 7
    if isinstance(result, Refusal):
        assert result.reason.endswith(".")
        assert result.text == row.decode()
