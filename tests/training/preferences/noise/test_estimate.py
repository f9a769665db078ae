"""The share of wrong labels from margins alone."""

from __future__ import annotations

import numpy as np
import pytest

from training.preferences.noise.estimate import flip_rate, probability_of_error

COUNT = 6_000


def margins(rate: float, spread: float, seed: int = 0):
    """Margins of a calibrated model: a pair of margin m is as it seems with probability sigma(m), and this share of
    the labels is turned round after that."""
    rng = np.random.default_rng(seed)
    sureness = rng.normal(0, spread, COUNT)
    right = rng.random(COUNT) < 1 / (1 + np.exp(-np.abs(sureness)))
    turned = rng.random(COUNT) < rate
    return np.where(right != turned, 1, -1) * np.abs(sureness), turned


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.2, 0.3])
def test_the_rate_is_told_within_five_points_where_the_model_is_sure_of_many(rate):
    found = flip_rate(margins(rate, 5.0)[0], np.arange(COUNT))
    assert found.told
    assert found.rate == pytest.approx(rate, abs=0.05)
    assert found.low - 0.01 <= rate <= found.high + 0.01


@pytest.mark.parametrize("rate", [0.0, 0.2])
def test_a_model_that_is_nowhere_sure_cannot_tell(rate):
    """Margins of ±0.5: raters who disagree by nature and labels turned round look the same."""
    found = flip_rate(margins(rate, 0.5)[0], np.arange(COUNT))
    assert not found.told
    assert found.low <= rate <= found.high


def test_a_model_that_knows_nothing_cannot_tell():
    noise = np.random.default_rng(0).normal(size=COUNT)
    assert not flip_rate(noise, np.arange(COUNT)).told


def test_repeating_every_pair_does_not_make_the_interval_narrower():
    """Four copies of 1,500 pairs, each group of copies known as one, say no more than the 1,500 do."""
    once = margins(0.2, 5.0)[0][:1500]
    single = flip_rate(once, np.arange(1500))
    copied = flip_rate(np.tile(once, 4), np.tile(np.arange(1500), 4))
    assert copied.high - copied.low >= 0.9 * (single.high - single.low)


def test_the_probabilities_add_up_to_the_wrong_labels_and_are_calibrated():
    """Their mean is the rate; of the pairs between 0.4 and 0.6 about half are wrong."""
    values, turned = margins(0.2, 5.0)
    wrong = probability_of_error(values, flip_rate(values, np.arange(COUNT)))
    between = (wrong > 0.3) & (wrong < 0.7)
    assert wrong.mean() == pytest.approx(turned.mean(), abs=0.03)
    assert turned[between].mean() == pytest.approx(wrong[between].mean(), abs=0.12)


def test_the_unit_of_the_margins_does_not_matter():
    values, _ = margins(0.2, 5.0)
    one, other = (flip_rate(values * unit, np.arange(COUNT)) for unit in (1, 1000))
    assert (one.rate, one.low, one.high) == (other.rate, other.low, other.high)
    assert probability_of_error(values, one) == pytest.approx(probability_of_error(values * 1000, other), abs=1e-6)
