"""Votes refuse what is no vote, and give subsets and weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from comparisons.statistics.votes import Votes

ONE = np.array([0, 1])


def votes(**columns):
    given: dict[str, Any] = {
        "left": ONE,
        "right": 1 - ONE,
        "score": np.array([1.0, 0.5]),
        "rater": ONE,
        "prompt": ONE,
        "policies": 2,
    }
    return Votes(**(given | columns))


@pytest.mark.parametrize(
    "columns,reason",
    [
        ({"score": np.array([1.0, 0.7])}, "A score must be"),
        ({"right": ONE}, "two different policies"),
        ({"weight": np.array([1.0, 0.0])}, "positive"),
        ({"rater": np.array([1])}, "2 scores, 1 of rater"),
    ],
)
def test_what_is_no_vote_raises(columns, reason):
    with pytest.raises(ValueError, match=reason):
        votes(**columns)


def test_weights_have_mean_one():
    """1 and 3 have mean 2, so 0.5 and 1.5."""
    assert votes(weight=np.array([1.0, 3.0])).weights.tolist() == [0.5, 1.5]
    assert votes().weights.tolist() == [1.0, 1.0]


def test_a_subset_keeps_all_columns_and_the_number_of_policies():
    found = votes(policies=3, rater=np.array([7, 8])).where(np.array([False, True]))
    assert (len(found), found.policies, found.score[0], found.weight) == (1, 3, 0.5, None)
    assert found.rater.tolist() == [8]
