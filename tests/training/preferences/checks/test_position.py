"""Position bias: found where it is planted, silent where the sides are drawn by a coin."""

from __future__ import annotations

from tests.training.preferences.checks.examining import found_by
from tests.training.preferences.pairs import pair
from training.preferences.checks.findings import Level
from training.preferences.checks.position import shown_first_wins


def shown(count: int, first: int, **more) -> list:
    """`first` of `count` chosen answers were shown first."""
    return [pair(f"{more} {n}", position=1 if n < first else 2, **more) for n in range(count)]


def test_answers_that_win_by_standing_first_are_found(tmp_path):
    """130 of 200: Wilson's interval is [0.582, 0.713]."""
    found = found_by(shown_first_wins, shown(200, 130), tmp_path)["position_bias"]
    assert (found.level, found.count, found.total) == (Level.WARNING, 130, 200)
    assert [round(bound, 3) for bound in found.share] == [0.65, 0.582, 0.713]
    assert found.sentence.startswith("The answer shown first")


def test_answers_that_win_by_standing_second_are_found(tmp_path):
    found = found_by(shown_first_wins, shown(200, 60), tmp_path)["position_bias"]
    assert (found.count, found.sentence.startswith("The answer shown second")) == (140, True)


def test_balanced_positions_say_nothing(tmp_path):
    assert found_by(shown_first_wins, shown(200, 104), tmp_path) == {}


def test_rows_that_say_no_position_do_not_count(tmp_path):
    assert found_by(shown_first_wins, [pair(f"p{n}") for n in range(100)], tmp_path) == {}
    found = found_by(shown_first_wins, [*shown(200, 130), *[pair(f"q{n}") for n in range(300)]], tmp_path)
    assert found["position_bias"].total == 200


def test_an_annotator_who_always_takes_one_side_is_named_though_all_together_are_balanced(tmp_path):
    """40 of 40 and 80 of 200 first: together 120 of 240, exactly one half."""
    pairs = [*shown(40, 40, annotator="lefty"), *shown(200, 80, annotator="other")]
    found = found_by(shown_first_wins, pairs, tmp_path)["position_bias"]
    assert "lefty" in found.sentence
    assert [bar["label"] for bar in found.picture["bars"]] == ["other", "lefty"]
