"""Shares, ratios, the test and the distance, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.preferences.coverage import contrast
from training.preferences.coverage.comparison import compare, distance, jensen_shannon, ratio


def test_a_ratio_is_share_over_share():
    """(10/100) / (20/50) = 0.25; nothing of 100 against 20 of 50 is 0, and the interval begins there."""
    found = ratio(10, 100, 20, 50)
    assert found is not None
    assert found[0] == pytest.approx(0.25)
    assert found[1] < 0.25 < found[2]
    nothing = ratio(0, 100, 20, 50)
    assert nothing is not None
    assert nothing[:2] == (0, 0)


def test_a_topic_outside_the_target_has_no_ratio():
    assert ratio(10, 100, 0, 50) is None


def test_the_interval_of_a_ratio_is_wilsons_turned_back():
    """Of 4 + 4 prompts Wilson's interval for one half is [0.2152, 0.7848]; with 80 and 40 in all p/(1-p) is 2 ratio,
    so the ratio lies in [0.2742/2, 3.6468/2]."""
    assert ratio(4, 80, 4, 40) == pytest.approx((0.5, 0.2152 / 0.7848 / 2, 0.7848 / 0.2152 / 2), rel=1e-3)


def test_what_only_the_target_has_is_uncovered_and_comes_first():
    found = compare(np.array([50, 0, 50]), np.array([40, 30, 30]))
    assert found.uncovered.tolist() == [False, True, False]
    assert found.by_deficit() == [1, 0, 2]  # deficits: -10, +30, -20 points


def test_few_prompts_may_be_missing_by_chance():
    """2 of 102 in the target against 0 of 100: (102/202)(101/201) = 0.25 is the chance of it."""
    found = compare(np.array([100, 0]), np.array([100, 2]))
    assert not found.uncovered.any()
    assert found.q[1] == pytest.approx(2 * 102 / 202 * 101 / 201, abs=1e-9)  # the smaller of two p-values, times 2


def test_half_as_common_is_thinner_but_not_uncovered():
    found = compare(np.array([10_000, 500]), np.array([9_000, 1_000]))
    assert found.q[1] < 0.001
    assert not found.uncovered.any()


def test_the_distance_of_equal_shares_is_0_and_of_disjoint_ones_1():
    assert jensen_shannon([10, 30], [1, 3]) == pytest.approx(0)
    assert jensen_shannon([10, 0], [0, 3]) == pytest.approx(1)


def test_the_distance_is_the_root_of_the_divergence_in_bits():
    """(1, 0) and (1/2, 1/2), middle (3/4, 1/4): D = (log2(4/3) + log2(2/3)/2 + log2(2)/2) / 2."""
    divergence = (math.log2(4 / 3) + math.log2(2 / 3) / 2 + 1 / 2) / 2
    assert jensen_shannon([1, 0], [1, 1]) == pytest.approx(math.sqrt(divergence))


def test_two_samples_of_one_source_are_as_far_apart_as_chance_puts_them():
    rng = np.random.default_rng(0)
    shares = np.full(20, 1 / 20)
    within = sum(
        found.value <= found.by_chance
        for found in (distance(rng.multinomial(500, shares), rng.multinomial(300, shares)) for _ in range(40))
    )
    assert within >= 34  # 95 % of 40 are 38


def test_the_interval_of_an_auc_is_hanley_and_mcneils():
    """Area 3/4 of 2 x 2: Q1 = 0.6, Q2 = 9/14; variance (3/16 + 0.0375 + 0.080357)/4 = 0.076339, error 0.2763."""
    area, low, high = contrast.auc(np.array([0.2, 0.6, 0.5, 0.9]), np.array([False, False, True, True]))
    assert area == 0.75
    assert low == pytest.approx(0.75 - 1.959964 * 0.27630, abs=1e-3)
    assert high == 1


def test_equal_texts_are_in_one_fold():
    folds = contrast.folds_of(["a", "b", "a"])
    assert folds[0] == folds[2]
