"""Measures of style, counted by hand."""

from __future__ import annotations

import pytest

from training.diagnosis.texts import distinct, has_markup, opening_share, repetition, style_of


def test_distinct_bigrams_are_counted_over_all_answers():
    """'a b c' and 'a b': bigrams ab, bc, ab: two of three differ."""
    assert distinct(["a b c", "A b"]) == pytest.approx(2 / 3)


def test_answers_without_bigrams_repeat_none():
    assert distinct(["yes", ""]) == 1


def test_repetition_is_the_share_of_trigrams_that_came_before():
    """a b c a b c: abc, bca, cab, abc: one of four."""
    assert repetition("a b c a b c") == pytest.approx(1 / 4)


@pytest.mark.parametrize("text", ["- one\n- two", "1. one", "# Title", "some **bold** type", "```py", "| a | b |"])
def test_markup(text):
    assert has_markup(text)


@pytest.mark.parametrize("text", ["Plain words - with a dash.", "3 islands", "5 * 3 and #1", ""])
def test_plain_text_is_no_markup(text):
    assert not has_markup(text)


def test_the_commonest_opening_of_three_words():
    assert opening_share(["I do not know", "I do NOT care", "It is red"]) == pytest.approx(2 / 3)


def test_all_measures_together():
    assert style_of(["- a b"]) == {"distinct_2": 1, "repetition": 0, "markup_share": 1, "opening_share": 1}
