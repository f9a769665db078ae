"""Pairs and demonstrations in TRL's forms: what is understood, what is refused and why."""

from __future__ import annotations

import json

import pytest

from tests.training.preferences.pairs import assistant, pair, source_line, user
from training.preferences.formats import read_line
from training.preferences.records import Message, Pair, Problem, Refusal


def the_pair(line: bytes) -> Pair:
    result = read_line(line.strip(), 1)
    assert isinstance(result, Pair), result
    return result


def the_refusal(line: bytes) -> Refusal:
    result = read_line(line.strip(), 1)
    assert isinstance(result, Refusal), result
    return result


# --- What is understood -------------------------------------------------------------------------------------------


def test_plain_text_becomes_single_turns():
    assert the_pair(source_line()) == pair(line=1)


def test_conversations_and_plain_text_are_the_same_pair():
    line = source_line([user("Capital of Pelund?")], [assistant("Aro.")], [assistant("Teku.")])
    assert the_pair(source_line()) == the_pair(line)


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
    result = the_pair(source_line(topic="forum", notes=["a", {"b": None}], score=0.25))
    assert result.extra == {"topic": "forum", "notes": ["a", {"b": None}], "score": 0.25}


def test_columns_that_describe_a_row_are_understood():
    result = the_pair(
        source_line(annotator=7, source="forum", position="left", timestamp=1_700_000_000, tags="maps, islands")
    )
    assert (result.annotator, result.source, result.position) == ("7", "forum", 1)
    assert (result.at, result.tags) == ("2023-11-14T22:13:20+00:00", ("maps", "islands"))
    assert result.extra == {}


def test_a_description_that_does_not_fit_is_kept_as_it_is_and_the_row_is_used():
    odd = {"annotator": ["x"], "position": 17, "timestamp": "yesterday", "tags": [{"b": None}]}
    result = the_pair(source_line(**odd))
    assert result.extra == odd
    assert (result.annotator, result.position, result.at, result.tags) == ("", 0, "", ())


@pytest.mark.parametrize("time", ["2024-05-01T10:00:00Z", "2024-05-01"])
def test_a_time_in_iso_8601_stays_as_it_is_written(time):
    assert the_pair(source_line(timestamp=time)).at == time


def test_a_time_in_milliseconds_is_told_from_one_in_seconds():
    assert the_pair(source_line(timestamp=1_700_000_000_000)).at == "2023-11-14T22:13:20+00:00"


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


def test_a_refusal_shows_the_text_of_its_row_with_bytes_that_are_no_text_escaped():
    assert the_refusal(b'{"prompt": "caf\xe9"}\n').text == '{"prompt": "caf\\xe9"}'


def test_a_number_that_cannot_be_written_again_is_refused():
    refusal = the_refusal(b'{"prompt":"p","chosen":"a","rejected":"b","score":1e999}')
    assert "range of a double" in refusal.reason
