"""Strata and pools: each for itself, and whether they disagree."""

from __future__ import annotations

import numpy as np
import pytest

from bench.rating.tournaments import Shape, tournament
from comparisons.statistics.groups import disagreements
from comparisons.statistics.votes import Votes
from tests.comparisons.statistics.votes_by_hand import votes_of


def joined(one: Votes, other: Votes) -> tuple[Votes, np.ndarray]:
    """Two studies as one, of other raters and prompts; and which vote is from which, 3 or 7."""

    def both(name, move=0):
        return np.concatenate([getattr(one, name), getattr(other, name) + move])

    votes = Votes(both("left"), both("right"), both("score"), both("rater", 1000), both("prompt", 1000), one.policies)
    return votes, np.repeat([3, 7], [len(one), len(other)])


def test_the_difference_of_differences_by_hand():
    """Without ties: ln(3) in one group, ln(1/3) in the other: 2 ln 3; variances 1/7.5 each, all votes for themselves:
    (2 · 40/39 - 1) / 7.5 twice, to the precision of shares of information over 80 votes."""
    votes, group = joined(votes_of([(0, 1, 1.0, 30), (0, 1, 0.0, 10)]), votes_of([(0, 1, 1.0, 10), (0, 1, 0.0, 30)]))
    (found,) = disagreements(votes, group)
    assert (found.one, found.other, found.here, found.there) == (0, 1, 3, 7)
    assert found.value == pytest.approx(2 * np.log(3))
    assert (found.high - found.low) / 2 == pytest.approx(1.99 * np.sqrt(2 / 7.5 * (2 * 80 / 79 - 1)), rel=0.01)
    assert found.certain


def test_groups_with_one_truth_seldom_seem_to_disagree():
    """Of 60 pairs of tournaments with the same truth 3 should seem to disagree; 9 is four standard errors above."""
    alarms = 0
    for seed in range(60):
        votes, group = joined(tournament(Shape(), seed), tournament(Shape(), 1000 + seed))
        alarms += any(found.certain for found in disagreements(votes, group))
    assert alarms <= 9


def test_groups_with_opposite_truths_are_found_to_disagree_about_the_right_pair():
    here = Shape(strengths=(0.8, -0.8, 0.0), rater_spread=0.2, prompt_spread=0.2)
    there = Shape(strengths=(-0.8, 0.8, 0.0), rater_spread=0.2, prompt_spread=0.2)
    votes, group = joined(tournament(here, 1), tournament(there, 2))
    found = disagreements(votes, group)
    assert found[0].certain
    assert (found[0].one, found[0].other) == (0, 1)
    assert found[0].low > 1


def test_pairs_that_a_group_cannot_compare_are_left_out():
    rows = [(0, 1, 1.0, 8), (0, 1, 0.0, 8)]
    votes, group = joined(votes_of([*rows, (1, 2, 1.0, 8), (1, 2, 0.0, 8)], policies=3), votes_of(rows, policies=3))
    assert [(found.one, found.other) for found in disagreements(votes, group)] == [(0, 1)]
