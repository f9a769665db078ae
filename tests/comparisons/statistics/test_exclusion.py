"""Suspicions in words, and rules that leave people out."""

from __future__ import annotations

import numpy as np
import pytest

from comparisons.statistics.exclusion import ExclusionRule, Thresholds, exclude, suspicious
from comparisons.statistics.raters import ATTENTION, FIRST, GOLD, SECOND, TIE, profiles
from comparisons.statistics.shares import Share
from tests.comparisons.statistics.judgements import judgements, sitting


def only(found, **known):
    (profile,) = profiles(found, **known)
    return profile


def test_honest_raters_are_not_suspicious():
    """Forty raters of 200 judgements: with each p below 0.001 a false alarm among them is rare (8 %), none in this
    seed."""
    assert [suspicious(profile) for profile in profiles(sitting(1, raters=40, items=200))] == [[]] * 40


def test_who_prefers_the_left_is_told_with_interval_and_count():
    """70 of 100: Wilson [60, 78]; p = 8e-5. Lines are short, as left and right come by turns."""
    sides = np.tile(np.array([1, 1, 0, 1, 1, 1, 0, 1, 1, 0], dtype=bool), 10)
    (reason,) = suspicious(only(judgements(100, first_is_a=sides)))
    assert reason == "prefers the left answer in 70 % [60, 78] of 100 comparisons, where sides are drawn by chance"


def test_who_prefers_the_right_is_told_so():
    sides = ~np.tile(np.array([1, 1, 0, 1, 1, 1, 0, 1, 1, 0], dtype=bool), 10)
    assert suspicious(only(judgements(100, first_is_a=sides)))[0].startswith(
        "prefers the right answer in 70 % [60, 78]"
    )


def test_a_straight_line_is_told_with_what_chance_does():
    """Twenty left in a row among forty: (40 - 20) / 2²⁰ + 2 / 2²⁰, about one in 48,000, told as 50,000."""
    sides = np.concatenate([np.ones(20), np.zeros(1), np.tile([1, 0, 0], 7)[:19]]).astype(bool)
    reasons = suspicious(only(judgements(40, first_is_a=sides)))
    assert "preferred the same side 20 times in a row, which chance does in one sitting in 50,000" in reasons


@pytest.mark.parametrize(
    "columns,words",
    [
        ({"said": [TIE] * 95 + [FIRST] * 5}, "calls a tie in 95 % [89, 98] of 100 comparisons"),
        ({"seconds": [2.0] * 50 + [30.0] * 50}, "was very quick in 50 % [40, 60] of 100 judgements"),
        ({"at": np.arange(100) * 0.6}, "made 100 judgements within a minute"),
        (
            {"check": [GOLD] * 20 + [0] * 80, "right": np.arange(100) < 5},
            "is right in only 25 % [11, 47] of 20 gold items",
        ),
        (
            {"check": [ATTENTION] * 3 + [0] * 97, "right": np.arange(100) < 1},
            "failed 2 of 3 attention checks",
        ),
        (
            {"repeats": np.where(np.arange(100) >= 80, np.arange(100) - 80, -1), "said": [FIRST] * 80 + [SECOND] * 20},
            "says the same of a repeat in only 0 % [0, 16] of 20",
        ),
    ],
)
def test_other_suspicions_in_words(columns, words):
    sides = np.random.default_rng(0).random(100) < 0.5
    assert words in suspicious(only(judgements(100, first_is_a=sides, **columns)))


def test_a_love_of_long_answers_is_suspicious():
    data = sitting(3, raters=1, items=100)
    lengths = np.where(data.said == FIRST, 300.0, 100.0)
    found = judgements(
        100, first_is_a=data.first_is_a, said=data.said, first_length=lengths, second_length=400.0 - lengths
    )
    (reason,) = suspicious(only(found))
    assert (
        reason == "prefers the longer answer in 100 % [96, 100] of 100 comparisons, beyond what the others say of them"
    )


def test_low_accuracy_by_consensus_is_suspicious():
    profile = only(judgements(4, first_is_a=[0, 1, 1, 0]), accuracy={0: Share(0.5, 0.45, 0.55, 400)})
    assert suspicious(profile) == ["is right by consensus in only 50 % [45, 55] of 400 judgements"]


def test_thresholds_can_be_changed():
    profile = only(judgements(10, first_is_a=[1, 0] * 5, seconds=2.0))
    assert len(suspicious(profile)) == 1
    assert suspicious(profile, Thresholds(quick=1.0)) == []


# --- Rules ------------------------------------------------------------------------------------------------------------


def test_no_thresholds_leave_nobody_out():
    assert str(ExclusionRule()) == "Nobody is left out."
    assert exclude(profiles(sitting(1)), ExclusionRule()) == set()


def test_a_rule_is_one_sentence():
    rule = ExclusionRule(gold=0.7, attention=2, accuracy=0.6)
    assert str(rule) == (
        "A rater is left out who is right in less than 70 % of at least 10 gold items, fails 2 or more attention "
        "checks, or is right by the consensus of Dawid and Skene in less than 60 % of at least 30 judgements."
    )
    assert str(ExclusionRule(median_seconds=4)) == (
        "A rater is left out who takes less than 4 seconds for half of the judgements."
    )
    assert "says the same of less than 50 % of at least 10 repeats" in str(ExclusionRule(consistent=0.5))
    assert "chance would in less than 0.001 of cases" in str(ExclusionRule(side_p=0.001))


def test_gold_counts_from_enough_items_on():
    """Six of ten right is below 70 %; six of nine is too few to count."""
    ten = only(judgements(10, check=GOLD, right=np.arange(10) < 6))
    nine = only(judgements(9, check=GOLD, right=np.arange(9) < 6))
    assert exclude([ten], ExclusionRule(gold=0.7)) == {0}
    assert exclude([ten], ExclusionRule(gold=0.6)) == set()
    assert exclude([nine], ExclusionRule(gold=0.7)) == set()


@pytest.mark.parametrize(
    "rule,columns",
    [
        (ExclusionRule(attention=2), {"check": ATTENTION, "right": np.arange(40) > 1}),
        (ExclusionRule(median_seconds=5), {"seconds": 4.0}),
        (ExclusionRule(side_p=0.01), {"said": FIRST, "first_is_a": True}),
        (ExclusionRule(consistent=0.6), {"repeats": np.where(np.arange(40) >= 20, np.arange(40) - 20, -1)}),
    ],
)
def test_each_threshold_leaves_out_whom_it_is_about(rule, columns):
    said = np.where(np.arange(40) < 25, FIRST, SECOND)
    plain = {"said": said, "first_is_a": np.arange(40) % 2 == 0}
    assert exclude([only(judgements(40, **plain | columns))], rule) == {0}
    assert exclude([only(judgements(40, **plain))], rule) == set()


def test_a_rule_finds_the_spammer_by_consensus():
    data = sitting(5, raters=5, items=200, accuracy=0.85)
    known = {rater: Share(0.5 if rater == 3 else 0.85, 0, 1, 200) for rater in range(5)}
    assert exclude(profiles(data, accuracy=known), ExclusionRule(accuracy=0.6)) == {3}
    assert exclude(profiles(data), ExclusionRule(accuracy=0.6)) == set()
