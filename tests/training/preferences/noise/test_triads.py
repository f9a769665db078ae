"""What circles of three say of wrong labels, against counting and against labels that are turned round by chance."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from training.preferences.noise.estimate import RATES, flip_rate
from training.preferences.noise.triads import Triads


def first(count: int, of: int):
    """1 for the first so many, then 0."""
    return np.repeat([1.0, 0.0], [count, of - count])


def test_a_triad_runs_in_a_circle_as_often_as_the_docstring_says():
    """Of the eight ways to turn the labels of A over B, B over C, A over C, with e = 0.3: 0.3 · 0.7 = 0.21."""
    rate, circles = 0.3, 0.0
    for turned in product((False, True), repeat=3):
        first, second, outer = (not turn for turn in turned)
        if first == second != outer:
            circles += float(np.prod([rate if turn else 1 - rate for turn in turned]))
    assert circles == pytest.approx(0.21)


def test_the_rate_of_which_the_circles_are_likeliest():
    """21 of 100 in a circle: e (1 - e) = 0.21, e = 0.3."""
    triads = Triads(np.ones(100), first(21, 100))
    assert (triads.count, triads.circles) == (100, 21)
    assert RATES[triads.log_likelihood(RATES).argmax()] == pytest.approx(0.3)


def test_no_circle_at_all_speaks_for_right_labels():
    triads = Triads(np.ones(200), np.zeros(200))
    assert triads.log_likelihood(RATES).argmax() == 0


def test_as_many_circles_as_by_the_toss_of_a_coin_speak_for_one_half():
    """A quarter of 400."""
    triads = Triads(np.ones(400), first(100, 400))
    assert triads.log_likelihood(RATES).argmax() == len(RATES) - 1


def test_triads_that_share_labels_say_less():
    """100 prompts of four triads that are circles all or none, or 400 prompts of one: the same share of 0.2.

    The variance of the hanging ones is four times as large, so their likelihood is a quarter.
    """
    hanging = Triads(np.full(100, 4.0), 4 * first(20, 100))
    apart = Triads(np.ones(400), first(80, 400))
    assert hanging.log_likelihood(RATES)[1:] == pytest.approx(apart.log_likelihood(RATES)[1:] / 4)


def test_circles_tell_a_rate_where_a_model_that_is_nowhere_sure_cannot():
    """Margins that say nothing leave what the circles say: 0.16 of 500, e = 0.2."""
    margins = np.random.default_rng(0).normal(size=2_000)
    triads = Triads(np.ones(500), first(80, 500))
    groups = np.arange(len(margins))
    assert not flip_rate(margins, groups).told
    found = flip_rate(margins, groups, triads.log_likelihood(RATES))
    assert found.told
    assert found.low < 0.2 < found.high


def test_a_few_triads_are_not_asked():
    assert not Triads(np.ones(49), np.zeros(49)).are_telling
    assert Triads(np.ones(50), np.zeros(50)).are_telling
