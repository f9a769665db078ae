"""The input of aggregations, most likely classes, and intervals of raters' accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from comparisons.statistics.aggregation.dawid_skene import dawid_skene
from comparisons.statistics.aggregation.labels import UNDECIDED, Labels, accuracy, most_likely, vote_shares
from tests.comparisons.statistics.aggregation.simulated import simulated


def labels_of(rows, classes=2):
    """Rows are (item, rater, label)."""
    item, rater, label = (np.array(column) for column in zip(*rows, strict=True))
    return Labels.of(item, rater, label, classes)


def test_any_ids_are_numbered_and_kept():
    found = labels_of([(70, 9, 1), (40, 9, 0), (70, 5, 1)])
    assert found.item.tolist() == [1, 0, 1]
    assert found.rater.tolist() == [1, 1, 0]
    assert (found.item_ids.tolist(), found.rater_ids.tolist()) == ([40, 70], [5, 9])


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_that_is_no_class_raises(label):
    with pytest.raises(ValueError, match="Labels must be 0 to 1"):
        labels_of([(1, 1, label)])


def test_arrays_of_different_length_raise():
    with pytest.raises(ValueError, match="one entry per judgement"):
        Labels.of(np.array([1, 2]), np.array([1]), np.array([0]), 2)


def test_vote_shares_of_an_item():
    """Three say 0, 0, 2 of item 1: 2/3, 0, 1/3."""
    assert vote_shares(labels_of([(1, 1, 0), (1, 2, 0), (1, 3, 2)], classes=3))[0] == pytest.approx([2 / 3, 0, 1 / 3])


def test_the_matrix_counts_labels_by_rater():
    found = labels_of([(0, 0, 1), (0, 0, 1), (0, 1, 0)]).matrix().toarray()
    assert found.tolist() == [[0, 2, 1, 0]]


def test_two_equally_likely_classes_are_undecided():
    assert most_likely(np.array([[0.4, 0.4, 0.2], [0.2, 0.3, 0.5]])).tolist() == [UNDECIDED, 2]


def test_accuracy_with_known_truth_has_jeffreys_interval():
    """Eight of ten right: 0.8, worth ten labels, quantiles of Beta(8.5, 2.5)."""
    labels = labels_of([(number, 0, 0) for number in range(10)])
    posterior = np.repeat(np.array([[1.0, 0.0], [0.0, 1.0]]), [8, 2], axis=0)
    found = accuracy(labels, posterior)
    assert (found.value[0], found.worth[0], found.judgements[0]) == pytest.approx((0.8, 10, 10))
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(beta(8.5, 2.5).ppf([0.025, 0.975])))


def test_labels_of_unknown_truth_are_worth_less():
    """Chances 0.9, 0.9, 0.6: q = 0.8, mean square 0.66, variance 0.02; whole q (1 - q) = 0.16: each is worth 1/8."""
    labels = labels_of([(0, 0, 0), (1, 0, 0), (2, 0, 0)])
    found = accuracy(labels, np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]]))
    assert (found.value[0], found.worth[0]) == pytest.approx((0.8, 3 / 8))


def test_labels_that_nothing_is_known_of_are_worth_nothing():
    found = accuracy(labels_of([(0, 0, 0), (1, 0, 1)]), np.full((2, 2), 0.5))
    assert found.worth[0] == pytest.approx(0)
    assert (found.low[0], found.high[0]) == pytest.approx((0.00154, 0.99846), abs=1e-5)


def test_intervals_of_accuracy_cover_the_truth_as_often_as_they_say():
    """Ten studies of 40 raters, 3 votes on 2,000 items, 30 % spammers: of 400 intervals 380 should hold the planted
    accuracy, give or take 4.4 if they were independent; 360 to 396."""
    covered = 0
    for seed in range(10):
        study = simulated(seed, 2000, 40, 3, spammers=0.3)
        found = dawid_skene(study.labels, one_coin=True).accuracy
        covered += int(((found.low <= study.accuracy) & (study.accuracy <= found.high)).sum())
    assert 360 <= covered <= 396
