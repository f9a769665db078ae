"""Calibration by hand-derived numbers. log 3 is the log-odds of 3/4, log 9 of 9/10."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.engine import calibration
from training.engine.calibration import best_of_n, fit_temperature, reliability_curve, wilson_interval

LOG_3, LOG_9 = math.log(3), math.log(9)

gaps_in_fiftieths = st.integers(-300, 300).map(lambda i: i / 50)
pairs = st.lists(st.tuples(gaps_in_fiftieths, st.sampled_from([0.0, 0.25, 0.9, 1.0])), min_size=1)


def test_log_loss_of_knowing_nothing_is_log_2():
    assert calibration.log_loss([0.0, 0.0]) == pytest.approx(math.log(2))


def test_log_loss_of_a_soft_label():
    """p = 3/4 against a label of 1/4: -(1/4) log(3/4) - (3/4) log(1/4) = 0.0719 + 1.0397 = 1.1116."""
    assert calibration.log_loss([LOG_3], [0.25]) == pytest.approx(1.1116, abs=1e-4)


def test_log_loss_does_not_overflow():
    assert calibration.log_loss([1e4, -1e4]) == pytest.approx(5e3)


def test_brier_is_the_squared_error_of_the_probability():
    """(3/4 - 1)^2 = 1/16 and (9/10 - 1/2)^2 = 4/25: mean 0.11125."""
    assert calibration.brier([LOG_3, LOG_9], [1.0, 0.5]) == pytest.approx((1 / 16 + 4 / 25) / 2)


def test_accuracy_counts_ties_as_half_and_soft_labels_by_their_probability():
    """Right: 1; wrong: 0; tie: 1/2; preferred with a label of 0.9: 0.9."""
    assert calibration.accuracy([1.0, -1.0, 0.0, 2.0], [1.0, 1.0, 1.0, 0.9]) == pytest.approx(2.4 / 4)


def test_three_of_four_right_at_a_confidence_of_three_quarters_is_no_calibration_error():
    assert calibration.expected_calibration_error([LOG_3, LOG_3, LOG_3, -LOG_3]) == pytest.approx(0)


def test_calibration_error_averages_over_bins():
    """Two pairs at 3/4, one right: |0.75 - 0.5| = 0.25. Two at 9/10, both right: 0.1. Mean 0.175."""
    assert calibration.expected_calibration_error([LOG_3, -LOG_3, LOG_9, LOG_9], bins=2) == pytest.approx(0.175)


def test_the_reliability_curve_rises_in_confidence_and_counts_every_pair():
    low, high = reliability_curve([LOG_9, LOG_3, -LOG_3, LOG_9], bins=2)
    assert (low.confidence, low.accuracy, low.count) == pytest.approx((0.75, 0.5, 2))
    assert (high.confidence, high.accuracy, high.count) == pytest.approx((0.9, 1.0, 2))
    assert (high.low, high.high) == wilson_interval(2, 2)


def test_bins_have_equal_mass():
    curve = reliability_curve(np.linspace(0.1, 5, 300))
    assert [b.count for b in curve] == [20] * 15


@given(pairs)
def test_pairs_of_equal_confidence_share_a_bin(drawn):
    """So that the order in which they came does not matter."""
    z, p = zip(*drawn, strict=True)
    assert calibration.expected_calibration_error(z, p) == pytest.approx(
        calibration.expected_calibration_error(z[::-1], p[::-1])
    )


@given(pairs)
def test_which_answer_is_called_chosen_does_not_matter(drawn):
    z, p = (np.array(column) for column in zip(*drawn, strict=True))
    for measure in (
        calibration.log_loss,
        calibration.brier,
        calibration.accuracy,
        calibration.expected_calibration_error,
        calibration.fit_temperature,
    ):
        assert measure(-z, 1 - p) == pytest.approx(measure(z, p))


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        reliability_curve([])


def test_calibration_error_by_chance():
    """One bin of 100 at 3/4: sqrt(2 * 0.75 * 0.25 / (100 pi)) = 0.03455."""
    assert calibration.calibration_error_by_chance([LOG_3] * 100) == pytest.approx(0.03455, abs=1e-5)


def test_a_calibrated_model_shows_about_the_error_of_chance():
    """256 pairs, 200 times, outcomes drawn from the model's own probabilities."""
    draw = np.random.default_rng(0)
    z = draw.normal(scale=1.5, size=(200, 256))
    drawn = np.where(draw.random(z.shape) < 1 / (1 + np.exp(-z)), 1.0, 0.0)
    found = np.mean([calibration.expected_calibration_error(*row) for row in zip(z, drawn, strict=True)])
    assert found == pytest.approx(np.mean([calibration.calibration_error_by_chance(row) for row in z]), rel=0.05)


def test_wilson_interval_of_eight_in_ten():
    """Newcombe 1998 gives 0.490 to 0.943."""
    assert wilson_interval(8, 10) == pytest.approx((0.490, 0.943), abs=5e-4)


def test_nothing_counted_says_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_temperature_of_three_in_four_right():
    """Four gaps of 1, three right: labels softened to 5/6, on average (3 * 5/6 + 1/6) / 4 = 2/3 = sigma(log 2)."""
    assert fit_temperature([1.0, 1.0, 1.0, -1.0]) == pytest.approx(1 / math.log(2))


def test_temperature_of_a_model_that_is_always_right_is_not_zero():
    """One gap of 1, right: its label is softened to 2/3."""
    assert fit_temperature([1.0]) == pytest.approx(1 / math.log(2))


def test_temperature_of_gaps_that_say_nothing_is_the_highest():
    assert fit_temperature([1.0, -1.0]) == calibration.TEMPERATURES[1]


@given(pairs, st.sampled_from([0.5, 2.0, 3.0]))
def test_temperature_is_in_the_unit_of_the_gaps(drawn, factor):
    z, p = (np.array(column) for column in zip(*drawn, strict=True))
    low, high = calibration.TEMPERATURES
    expected = np.clip(factor * fit_temperature(z, p), low, high)
    if low < fit_temperature(z, p) < high:
        assert fit_temperature(factor * z, p) == pytest.approx(expected, rel=1e-6)


def test_the_fitted_temperature_has_the_least_log_loss():
    draw = np.random.default_rng(1)
    gaps = draw.normal(loc=0.8, scale=2.0, size=400)
    best = fit_temperature(gaps)
    losses = [calibration.log_loss(gaps / t) for t in (0.98 * best, best, 1.02 * best)]
    assert losses[1] == pytest.approx(min(losses), abs=2e-5)  # softened labels move the minimum by O(1/n)


def test_correlation_of_proportional_values_is_1_and_of_a_constant_0():
    assert calibration.correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert calibration.correlation([1, 2, 3], [5, 5, 5]) == 0


def test_best_of_two_of_four():
    """Subsets of two of {1, 2, 3, 4} have maxima 2, 3, 3, 4, 4, 4: mean 10/3. Best of all four: 4."""
    one, two, four = best_of_n([[3, 1, 4, 2]])
    assert (one.reward, two.reward, four.reward) == pytest.approx((2.5, 10 / 3, 4))


def test_kl_of_best_of_n():
    """log 4 - 3/4 = 0.6363; one answer costs nothing."""
    assert [b.kl for b in best_of_n([[1, 2, 3, 4]], [1, 4])] == [0, pytest.approx(0.6363, abs=1e-4)]


def test_the_standard_error_of_best_of_n_is_over_prompts():
    """Best of two: 2 and 6; deviation sqrt(8), error sqrt(8) / sqrt(2) = 2."""
    [best] = best_of_n([[1, 2], [5, 6]], [2])
    assert (best.reward, best.standard_error) == pytest.approx((4, 2))


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=7), st.integers(1, 3))
def test_best_of_n_is_the_mean_over_all_subsets(rewards, n):
    expected = np.mean([max(subset) for subset in combinations(rewards, n)])
    [best] = best_of_n([rewards], [n])
    assert best.reward == pytest.approx(expected, abs=1e-9)
