"""Which slices a pair belongs to."""

from __future__ import annotations

from typing import Any

from training.inspections.slices import Facts, group_label, slices_of, value_label


def facts(
    row: int = 0, chosen: int = 4, rejected: int = 4, turns: int = 1, split: str = "train", **extra: Any
) -> Facts:
    return Facts(row, split, chosen, rejected, turns, extra)


def test_lengths_turns_and_split_name_a_pair_s_slices():
    [keys] = slices_of([facts(chosen=9, turns=3, split="held_out")])
    assert {"split:held_out", "longer:chosen", "turns:more"} <= set(keys)


def test_quarters_are_by_the_length_of_both_answers():
    found = slices_of([facts(row=n, chosen=n, rejected=0) for n in (1, 2, 3, 4)])
    assert [next(key for key in keys if key.startswith("length:")) for keys in found] == [
        "length:1",
        "length:2",
        "length:3",
        "length:4",
    ]


def test_a_column_with_few_values_makes_slices():
    pairs = [facts(source="web" if i % 2 else "book") for i in range(20)]
    assert "source:book" in slices_of(pairs)[0]


def test_a_column_with_many_values_makes_none():
    pairs = [facts(source=f"file {i % 20}") for i in range(200)]
    assert not [key for keys in slices_of(pairs) for key in keys if key.startswith("source:")]


def test_a_value_that_all_pairs_share_makes_no_slice():
    assert not [key for key in slices_of([facts(source="web")] * 9)[0] if key.startswith("source:")]


def test_every_tag_of_a_list_counts():
    pairs = [facts(tags=["maths", "short"] if i % 2 else ["maths", "long"]) for i in range(20)]
    assert {"tags:maths", "tags:long"} <= set(slices_of(pairs)[0])


def test_keys_are_said_in_words():
    assert (group_label("longer:rejected"), value_label("longer:rejected")) == (
        "Which answer is longer",
        "the chosen answer is shorter",
    )
    assert (group_label("annotator:Ada"), value_label("annotator:Ada")) == ("Annotator", "Ada")
