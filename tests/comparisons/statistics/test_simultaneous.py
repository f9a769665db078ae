"""Critical values for all pairs at once against tables and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from comparisons.statistics.strengths.simultaneous import critical_values


def pairs_of(count):
    i, j = np.triu_indices(count, 1)
    contrasts = np.zeros((len(i), count))
    contrasts[np.arange(len(i)), i], contrasts[np.arange(len(i)), j] = 1, -1
    return contrasts @ contrasts.T


@pytest.mark.parametrize("count", [3, 5, 10])
def test_equal_policies_with_many_clusters_have_tukeys_critical_value(count):
    """The largest |t| of all pairs of equally well known means is the studentised range over sqrt(2)."""
    found = critical_values(pairs_of(count), np.full(count * (count - 1) // 2, np.inf))
    assert found == pytest.approx(stats.studentized_range.ppf(0.95, count, np.inf) / np.sqrt(2), rel=0.01)


def test_one_pair_has_students_quantile():
    """t with 7 degrees leaves 2.5 % above 2.3646."""
    assert critical_values(np.array([[2.0]]), np.array([7.0])) == pytest.approx([2.3646], abs=1e-4)


def test_with_few_clusters_it_lies_between_tukeys_and_bonferronis():
    """Three pairs with 7 degrees: errors that go up and down together give Tukey's 2.945, without any bond at most
    Bonferroni's quantile at 0.05 / 6, 3.128."""
    found = critical_values(pairs_of(3), np.full(3, 7.0))[0]
    assert stats.studentized_range.ppf(0.95, 3, 7) / np.sqrt(2) < found < stats.t.isf(0.05 / 6, 7)


def test_every_cluster_drawn_by_hand_gives_the_same_value():
    """Eight clusters of three policies: the largest |mean| / error over pairs, 20,000 times."""
    draws = np.random.default_rng(1).standard_normal((20_000, 8, 3))
    gaps = np.stack([draws[..., 0] - draws[..., 1], draws[..., 0] - draws[..., 2], draws[..., 1] - draws[..., 2]])
    ratio = np.abs(gaps.mean(axis=2)) / (gaps.std(axis=2, ddof=1) / np.sqrt(8))
    by_hand = np.quantile(ratio.max(axis=0), 0.95)
    assert critical_values(pairs_of(3), np.full(3, 7.0))[0] == pytest.approx(by_hand, rel=0.03)


def test_results_repeat():
    assert (critical_values(pairs_of(4), np.full(6, 9.5)) == critical_values(pairs_of(4), np.full(6, 9.5))).all()
