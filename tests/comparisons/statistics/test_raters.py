"""Profiles of raters against arithmetic by hand, exact tests, an independent regression, and planted habits."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, product

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from comparisons.statistics.aggregation.dawid_skene import dawid_skene
from comparisons.statistics.aggregation.labels import Labels
from comparisons.statistics.raters import (
    ATTENTION,
    BOTH_BAD,
    FIRST,
    GOLD,
    SECOND,
    TIE,
    evenness_p,
    longest_run,
    most_within,
    overall,
    profiles,
    run_p,
    shares_right,
)
from tests.comparisons.statistics.judgements import judgements, sitting


def only(found):
    (profile,) = profiles(found)
    return profile


def test_the_side_that_was_chosen_depends_on_where_the_first_answer_stood():
    """First on the left and preferred: left. Second preferred, first on the right: left. First preferred on the right,
    and second preferred with the first on the left: right. Ties chose no side: 2 of 4."""
    found = only(judgements(5, said=[FIRST, SECOND, FIRST, SECOND, TIE], first_is_a=[True, False, False, True, True]))
    assert (found.side_a.value, found.side_a.total, found.side_a_p) == (0.5, 4, 1.0)


def test_eight_of_ten_left_by_hand():
    """Of 2¹⁰ sequences 45 + 10 + 1 have eight or more heads: p = 2 · 56 / 1024 = 0.109375."""
    found = only(judgements(10, first_is_a=np.arange(10) < 8))
    assert found.side_a.value == 0.8
    assert found.side_a_p == pytest.approx(0.109375)
    assert (found.side_a.low, found.side_a.high) == pytest.approx((0.49017, 0.94331), abs=2e-5)


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_exact_test_of_one_half_is_that_of_scipy(heads, tails):
    if heads + tails:
        assert evenness_p(heads, heads + tails) == pytest.approx(binomtest(heads, heads + tails).pvalue, abs=1e-9)


def test_the_longer_answer_counts_where_lengths_differ():
    """First longer and preferred: longer; second longer and first preferred: not. Equal lengths and a tie do not
    count."""
    found = only(judgements(4, said=[FIRST, FIRST, FIRST, TIE], first_length=[200, 50, 100, 300]))
    assert (found.longer.value, found.longer.total) == (0.5, 2)


def test_a_repeat_is_consistent_or_follows_the_side():
    """Entries 3 to 6 repeat 0 to 2 with sides swapped, and 2 again: said the same; said the other, so the same side;
    first a tie, then the first answer: neither; a tie again: the same. 2 of 4 consistent, 1 of 4 the same side. What is
    repeated is no plain comparison: of 3 sides of plain comparisons both decided ones were left."""
    found = only(
        judgements(
            7,
            item=[0, 1, 2, 0, 1, 2, 2],
            said=[FIRST, FIRST, TIE, FIRST, SECOND, FIRST, TIE],
            first_is_a=[True, True, True, False, False, False, False],
            repeats=[-1, -1, -1, 0, 1, 2, 2],
        )
    )
    assert (found.consistent.value, found.consistent.total) == (0.5, 4)
    assert found.same_side.value == 0.25
    assert (found.side_a.value, found.side_a.total) == (1.0, 2)


def test_repeats_of_several_raters_are_not_mixed_up():
    found = profiles(
        judgements(
            4,
            rater=[5, 3, 5, 3],
            item=[0, 0, 0, 0],
            said=[FIRST, SECOND, FIRST, FIRST],
            first_is_a=[True, True, False, False],
            repeats=[-1, -1, 0, 1],
        )
    )
    assert [(one.rater, one.consistent.value, one.same_side.value) for one in found] == [(3, 0, 1), (5, 1, 0)]


def test_gold_is_right_and_attention_fails():
    found = only(judgements(5, check=[GOLD, GOLD, GOLD, ATTENTION, ATTENTION], right=[True, True, False, True, False]))
    assert (found.gold.value, found.gold.total) == (pytest.approx(2 / 3), 3)
    assert (found.attention.value, found.attention.total) == (0.5, 2)
    assert found.side_a is None
    assert found.ties is None


def test_ties_both_bad_and_time():
    """Median of 2, 4, 10, 20 s is 7; two of four are below 5."""
    found = only(judgements(4, said=[TIE, TIE, BOTH_BAD, FIRST], seconds=[2.0, 20.0, 4.0, 10.0]))
    assert (found.ties.value, found.both_bad.value) == (0.5, 0.25)
    assert (found.median_seconds, found.quick.value) == (7.0, 0.5)


# --- Runs -------------------------------------------------------------------------------------------------------------


def test_the_chance_of_a_run_counted_out():
    """Of the 16 sequences of four flips HHHH, TTTT, HHHT, THHH, TTTH and HTTT have three equal in a row: 6/16."""
    assert run_p(3, 4) == pytest.approx(6 / 16)


@given(st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None)
def test_the_chance_of_a_run_is_that_of_all_sequences(length, flips):
    longest = [max(len(list(run)) for _, run in groupby(one)) for one in product((0, 1), repeat=flips)]
    assert run_p(length, flips) == pytest.approx(sum(run >= length for run in longest) / 2**flips)


def test_a_run_of_twelve_in_a_sitting_of_a_hundred():
    """About (100 - 12) / 2¹² + 2 / 2¹² = 0.022: every run starts after a change (1/2) and needs 11 more, or is the
    first."""
    assert run_p(12, 100) == pytest.approx(0.022, abs=5e-4)


def test_the_longest_run_leaves_ties_out():
    """Left, tie, left, right, left, left, left: without the tie the longest run is three."""
    sides = np.array([True, True, True, False, True, True, True])
    found = only(judgements(7, said=[FIRST, TIE, FIRST, FIRST, FIRST, FIRST, FIRST], first_is_a=sides))
    assert found.straight_line == 3
    assert found.straight_line_p == pytest.approx(run_p(3, 6))


@given(st.lists(st.booleans(), max_size=30))
def test_the_longest_run_is_that_of_groupby(values):
    assert longest_run(np.array(values, dtype=bool)) == max((len(list(run)) for _, run in groupby(values)), default=0)


def test_bursts_are_runs_of_quick_judgements():
    """Five quick, one slow, four quick, one slow, six quick: two bursts of five or more."""
    assert only(judgements(17, seconds=[1.0] * 5 + [9.0] + [1.0] * 4 + [9.0] + [1.0] * 6)).bursts == 2


def test_the_fastest_minute():
    """At 0, 10, 59 and 60 s: the window (0, 60] holds three; with 61 and 62 it is five, 10 to 62."""
    assert most_within(np.array([0.0, 10, 59, 60]), 60) == 3
    assert most_within(np.array([61.0, 0, 10, 62, 59, 60]), 60) == 5
    assert most_within(np.array([]), 60) == 0


# --- Length -----------------------------------------------------------------------------------------------------------


def test_the_length_slope_is_that_of_statsmodels():
    """The weak prior (standard deviation 2.5) moves a slope of standard error 0.2 by less than 1 %."""
    data = sitting(1, raters=3, by_length=0.7)
    found = profiles(data)[0].length_slope
    mine = data.rater == 0
    votes = [np.array([(data.said[(data.item == i) & ~mine] == side).sum() for i in range(400)]) for side in range(2)]
    others = np.log((votes[0] + 0.5) / (votes[1] + 0.5))
    design = np.stack([np.log(data.first_length / data.second_length)[mine], others], axis=1)
    expected = sm.Logit(data.said[mine] == FIRST, design).fit(disp=False)
    assert found.value == pytest.approx(expected.params[0], rel=0.01)
    assert (found.low, found.high) == pytest.approx(tuple(expected.conf_int()[0]), rel=0.03, abs=0.01)


def test_a_planted_length_bias_is_found_and_a_fair_rater_has_none():
    """Rater 0 alone adds 1.5 log-odds per e-fold; the others none. Its interval holds 1.5 and not 0."""
    fair, biased = sitting(2, raters=6), sitting(2, raters=1, by_length=1.5)
    one = fair.rater == 0
    said = np.where(one, np.resize(biased.said, len(fair)), fair.said)
    found = profiles(replace(fair, said=said))
    assert found[0].longer.low > 0.5
    assert found[0].length_slope.low > 0.5
    assert found[0].length_slope.low < 1.5 < found[0].length_slope.high
    assert sum(profile.length_slope.low <= 0 <= profile.length_slope.high for profile in found[1:]) >= 4


def test_who_always_prefers_the_longer_answer_has_a_finite_slope():
    data = sitting(3, raters=1, items=60)
    said = np.where(data.first_length > data.second_length, FIRST, SECOND)
    found = only(replace(data, said=said))
    assert found.longer.value == 1.0
    assert 2 < found.length_slope.low < found.length_slope.high < 20


def test_few_judgements_have_no_slope():
    assert only(sitting(3, raters=1, items=19)).length_slope is None
    assert only(judgements(30)).length_slope is None


# --- All together -----------------------------------------------------------------------------------------------------


def test_all_together_count_every_judgement_and_the_longest_line_of_anybody():
    data = sitting(4, raters=3, items=100, left=0.2)
    whole, each = overall(data), profiles(data)
    assert whole.rater is None
    assert whole.judgements == 300
    assert whole.side_a.value == pytest.approx(np.mean([one.side_a.value for one in each]))
    assert whole.straight_line == max(one.straight_line for one in each)
    assert whole.straight_line_p is None
    assert whole.length_slope.total == 300


def test_the_interval_of_the_common_slope_allows_for_items():
    """Four people who say the same of every item tell no more than one: the interval stays, but for the weak prior."""
    data = sitting(5, raters=1, items=200, by_length=0.5)
    copied = {name: np.tile(getattr(data, name), 4) for name in data.__slots__}
    four = judgements(800, **copied | {"rater": np.repeat(np.arange(4), 200)})
    once, again = overall(data).length_slope, overall(four).length_slope
    assert (again.value, again.low, again.high) == pytest.approx((once.value, once.low, once.high), rel=0.02)


def test_accuracies_come_from_an_aggregation():
    data = sitting(6, raters=4, items=200, accuracy=0.85)
    labels = Labels.of(data.item, data.rater + 10, data.said, 4)
    found = dawid_skene(labels, one_coin=True, symmetric=True)
    known = shares_right(labels.rater_ids, found.accuracy)
    assert sorted(known) == [10, 11, 12, 13]
    profile = profiles(replace(data, rater=data.rater + 10), accuracy=known)[2]
    assert profile.accuracy.value == pytest.approx(found.accuracy.value[2])
    assert profile.accuracy.low < 0.85 < profile.accuracy.high


def test_nothing_judged_is_no_error():
    nothing = judgements(0)
    assert profiles(nothing) == []
    whole = overall(nothing)
    assert (whole.judgements, whole.side_a, whole.median_seconds, whole.straight_line) == (0, None, None, 0)


def test_columns_of_different_length_raise():
    with pytest.raises(ValueError, match="one entry per judgement"):
        replace(judgements(3), seconds=np.zeros(2))


def test_an_unknown_verdict_raises():
    with pytest.raises(ValueError, match="FIRST, SECOND, TIE or BOTH_BAD"):
        judgements(2, said=[0, 4])
