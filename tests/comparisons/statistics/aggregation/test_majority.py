"""Votes counted, ties named."""

from __future__ import annotations

import numpy as np

from comparisons.statistics.aggregation.labels import UNDECIDED
from comparisons.statistics.aggregation.majority import majority
from tests.comparisons.statistics.aggregation.test_labels import labels_of


def test_most_votes_win():
    found = majority(labels_of([(1, 1, 0), (1, 2, 2), (1, 3, 2), (5, 1, 1)], classes=3))
    assert found.label.tolist() == [2, 1]
    assert found.votes.tolist() == [3, 1]
    assert not found.tied.any()


def test_a_tie_is_decided_by_nobody():
    found = majority(labels_of([(1, 1, 0), (1, 2, 1), (1, 3, 2), (1, 4, 1), (1, 5, 2)], classes=3))
    assert found.label.tolist() == [UNDECIDED]
    assert found.tied.tolist() == [True]
    assert np.allclose(found.shares, [[0.2, 0.4, 0.4]])
