"""Export to TRL's forms, and back through our own reader."""

from __future__ import annotations

import json

import pytest

from tests.training.preferences.pairs import assistant, pair, user
from training.preferences.formats import read_line
from training.preferences.records import Message, Pair
from training.preferences.trl import conversational, is_single_turn, plain

TWO_TURNS = Pair(
    prompt=(Message("user", "Hello"), Message("assistant", "Hi."), Message("user", "Capital?")),
    chosen=(Message("assistant", "Aro."),),
    rejected=(Message("assistant", "Teku."),),
)


def test_the_plain_form_holds_texts():
    assert plain(pair("p", "a", "b")) == {"prompt": "p", "chosen": "a", "rejected": "b"}


def test_the_conversational_form_holds_messages():
    assert conversational(pair("p", "a", "b")) == {
        "prompt": [user("p")],
        "chosen": [assistant("a")],
        "rejected": [assistant("b")],
    }


def test_a_demonstration_is_prompt_and_completion():
    assert plain(pair("p", "a", None)) == {"prompt": "p", "completion": "a"}


def test_several_turns_have_no_plain_form():
    assert not is_single_turn(TWO_TURNS)
    with pytest.raises(ValueError, match="conversational"):
        plain(TWO_TURNS)


@pytest.mark.parametrize("form", [plain, conversational])
@pytest.mark.parametrize(
    "original",
    [pair("p", "a", "b", weight=0.5, label=0.75, margin=1.0, source="x", extra={"topic": "y"}), pair("p", "a", None)],
    ids=["pair", "demonstration"],
)
def test_what_is_written_reads_back_as_it_was(form, original):
    assert read_line(json.dumps(form(original)).encode(), 0) == original


def test_a_source_column_never_hides_one_of_ours():
    assert plain(pair("p", "a", "b", extra={"chosen": "other"}))["chosen"] == "a"
