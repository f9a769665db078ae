"""Shares and Wilson's interval against arithmetic by hand and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from statsmodels.stats.proportion import proportion_confint

from comparisons.statistics.shares import share, wilson


def test_wilson_interval_of_eight_in_ten():
    """p = 0.8, n = 10, z² = 3.8415: centre (0.8 + 0.19207) / 1.38415 = 0.71674, half width
    1.95996 · sqrt(0.016 + 0.0096037) / 1.38415 = 0.22657, so [0.49017, 0.94331]."""
    found = share(8, 10)
    assert (found.low, found.high) == pytest.approx((0.49017, 0.94331), abs=2e-5)
    assert not found.differs_from_half


def test_a_share_of_nothing_is_none():
    assert share(0, 0) is None


@given(total=some.integers(1, 10_000), portion=some.floats(0, 1))
def test_wilson_interval_is_that_of_statsmodels(total, portion):
    successes = round(portion * total)
    expected = proportion_confint(successes, total, alpha=0.05, method="wilson")
    assert wilson(np.array(float(successes)), np.array(float(total))) == pytest.approx(expected, abs=1e-6)
