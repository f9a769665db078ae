"""What a model loves and hates: sign tests within pairs, with false discoveries controlled."""

from __future__ import annotations

import random

import pytest

from training.inspections.traits import Judged, likings, sign_test, traits_of


def test_an_answer_has_words_openings_and_forms():
    found = traits_of("Sure thing: **yes**\n- one")
    assert {("opening", "sure"), ("opening", "sure thing"), ("words", "thing yes"), ("form", "a list")} <= found
    assert ("form", "bold text") in found


def test_the_sign_test_by_hand():
    """9 of 10: (4 - 0.5) / sqrt(10 / 4) = 2.2136 deviations, two-sided p = 0.0269; 5 of 10 says nothing."""
    assert sign_test(9, 10) == pytest.approx(0.02686, abs=1e-4)
    assert sign_test(1, 10) == sign_test(9, 10)
    assert sign_test(5, 10) == 1.0


def pairs(count: int, *, sure_wins: float) -> list[Judged]:
    """The chosen answer begins with "sure" in half of the pairs, with "well" in the others; filler is random."""
    chance = random.Random(3)
    made = []
    for row in range(count):
        filler = [" ".join(f"w{chance.randrange(200)}" for _ in range(6)) for _ in range(2)]
        sure, plain = f"sure {filler[0]}", f"well {filler[1]}"
        prefers_sure = chance.random() < sure_wins
        made.append(
            Judged(row, sure, plain, 1.0 if prefers_sure else -1.0)
            if row % 2
            else Judged(row, plain, sure, -1.0 if prefers_sure else 1.0)
        )
    return made


def test_a_liking_is_found_with_what_the_labels_say():
    """Of 100 pairs with "sure" on one side the labels choose it in 50, the model in nine of ten."""
    loved, hated = likings(pairs(100, sure_wins=0.9))
    assert loved[0].text == "sure"
    assert (loved[0].pairs, loved[0].labelled) == (100, 50)
    assert loved[0].liked > 80
    assert [trait.text for trait in hated] == ["well"]


def test_a_dislike_is_the_same_turned_round():
    loved, hated = likings(pairs(100, sure_wins=0.1))
    assert hated[0].text == "sure"
    assert hated[0].log_odds < 0
    assert [trait.text for trait in loved] == ["well"]


def test_chance_is_not_called_a_liking():
    assert likings(pairs(100, sure_wins=0.5)) == ([], [])


def test_the_rows_shown_are_those_where_the_model_errs():
    """Where the model follows "sure" against the label, the even rows, it is the suspect."""
    loved, _ = likings(pairs(100, sure_wins=0.9))
    assert all(row % 2 == 0 for row in loved[0].rows)


def test_what_few_pairs_have_is_not_judged():
    assert likings([Judged(row, "sure", "well", 1.0) for row in range(9)]) == ([], [])


def test_the_words_of_a_set_phrase_are_one_trait():
    """Every chosen answer ends with the same four words, of which the model is fond."""
    found = [Judged(row, f"w{row} thanks for asking kindly", f"w{row} goodbye", 1.0) for row in range(40)]
    loved, hated = likings(found)
    assert [trait.text in "thanks for asking kindly" for trait in loved] == [True]
    assert [trait.text for trait in hated] == ["goodbye"]
