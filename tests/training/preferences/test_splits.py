"""Train and held out: by prompt, stable, and neither side empty where that can be helped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.preferences.records import Message
from training.preferences.splits import HELD_OUT, SPACE, TRAIN, PromptSplit, position


def prompt(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def assign_all(split: PromptSplit, texts: list[str]) -> list[str]:
    """The splits after correction, as the sealing does it."""
    first = [split.assign(prompt(text)) for text in texts]
    corrected = split.corrected()
    return first if corrected is None else [corrected.assign(prompt(text)) for text in texts]


def test_about_a_tenth_of_the_prompts_is_held_out():
    """10,000 prompts at 10 %: 1,000 expected, standard deviation 30; within 4 of them."""
    splits = assign_all(PromptSplit(0.1), [f"prompt {number}" for number in range(10_000)])
    assert abs(splits.count(HELD_OUT) - 1000) < 120


def test_case_and_white_space_do_not_make_another_prompt():
    assert position(prompt("Capital of  Pelund?\n")) == position(prompt("capital of pelund?"))


def test_the_turns_before_the_question_make_another_prompt():
    before = (Message("user", "Hello"), Message("assistant", "Hi"))
    assert position(before + prompt("Capital?")) != position(prompt("Capital?"))


@given(st.lists(st.text(min_size=1), min_size=1), st.sampled_from([0.01, 0.1, 0.5]))
def test_both_sides_have_a_row_whenever_there_are_two_prompts(texts, share):
    splits = assign_all(PromptSplit(share), texts)
    by_place: dict[int, set[str]] = {}
    for text, split in zip(texts, splits, strict=True):
        by_place.setdefault(position(prompt(text)), set()).add(split)
    assert all(len(sides) == 1 for sides in by_place.values())
    assert set(splits) == ({TRAIN} if len(by_place) == 1 else {TRAIN, HELD_OUT})


def test_a_share_of_zero_holds_nothing_out():
    assert set(assign_all(PromptSplit(0), ["a", "b", "c"])) == {TRAIN}


def test_the_split_does_not_depend_on_the_order_of_rows():
    texts = ["a", "b", "c"]
    assert assign_all(PromptSplit(0.01), texts) == assign_all(PromptSplit(0.01), texts[::-1])[::-1]


@pytest.mark.parametrize("share", [-0.1, 0.6, 1.0])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(ValueError, match="must lie between"):
        PromptSplit(share)


def test_positions_fill_the_space():
    places = [position(prompt(str(number))) / SPACE for number in range(1000)]
    assert min(places) < 0.01
    assert max(places) > 0.99
