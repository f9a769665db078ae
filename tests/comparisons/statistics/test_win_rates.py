"""Win rates and their intervals against counts by hand and evalica."""

from __future__ import annotations

import evalica
import numpy as np
import pytest

from bench.rating.tournaments import Shape, tournament
from comparisons.statistics.shares import wilson
from comparisons.statistics.win_rates import win_matrix, win_rates
from tests.comparisons.statistics.votes_by_hand import NO_VOTES, votes_of

WINNERS = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}


def wilsons(share, worth):
    low, high = wilson(np.array(share * worth), np.array(worth))
    return pytest.approx((float(low), float(high)), rel=1e-4)


def test_win_matrix_counts_wins_and_ties_from_both_sides():
    """0 beats 1 three times as left and once as right, loses once, ties twice: 4 wins + 2 / 2 of 7 = 5/7."""
    matrix = win_matrix(votes_of([(0, 1, 1.0, 3), (1, 0, 0.0, 1), (0, 1, 0.0, 1), (1, 0, 0.5, 2)]))
    assert matrix.wins.tolist() == [[0, 4], [1, 0]]
    assert matrix.ties.tolist() == [[0, 2], [2, 0]]
    assert matrix.votes[0, 1] == 7
    assert matrix.rate[0, 1] == pytest.approx(5 / 7)
    assert np.isnan(matrix.rate[0, 0])


def test_the_other_side_of_a_cell_is_its_mirror():
    matrix = win_matrix(tournament(Shape(), seed=1))
    off = ~np.eye(3, dtype=bool)
    assert matrix.rate[off] == pytest.approx((1 - matrix.rate.T)[off])
    assert matrix.low[off] == pytest.approx((1 - matrix.high.T)[off])


def test_independent_votes_have_nearly_wilsons_interval():
    """300 : 100, each vote its own rater and prompt: the clustered variance is (2 · 400/399 - 1) p q / n and t has 399
    degrees, 1.96593: 400 / 1.005013 · (1.959964 / 1.96593)² = 395.6 votes."""
    matrix = win_matrix(votes_of([(0, 1, 1.0, 300), (0, 1, 0.0, 100)]))
    worth = 400 / (2 * 400 / 399 - 1) * (1.959964 / 1.96593) ** 2
    assert (matrix.low[0, 1], matrix.high[0, 1]) == wilsons(0.75, worth)


def test_votes_of_a_prompt_that_say_the_same_count_as_one():
    """Forty votes on each of ten prompts, all the same within a prompt, 7 : 3: V = p q / 10 · 10/9; worth 9 votes, and
    t with 9 degrees is 2.2622: 9 · (1.959964 / 2.2622)² = 6.756."""
    rows = [(0, 1, 1.0, 280), (0, 1, 0.0, 120)]
    matrix = win_matrix(votes_of(rows, prompts=np.arange(400) // 40, raters=np.zeros(400)))
    worth = 9 * (1.959964 / 2.262157) ** 2
    assert (matrix.low[0, 1], matrix.high[0, 1]) == wilsons(0.7, worth)


def test_a_cell_of_one_rater_is_one_observation_of_raters():
    """Six raters for the first pair, one for the second: what the one says tells nothing about others."""
    rows = [(0, 1, 1.0, 30), (0, 1, 0.0, 30), (0, 2, 1.0, 20), (0, 2, 0.0, 20)]
    raters = np.concatenate([np.arange(60) % 6, np.zeros(40)])
    matrix = win_matrix(votes_of(rows, policies=3, raters=raters))
    assert matrix.high[0, 1] - matrix.low[0, 1] < 0.5
    assert (matrix.low[0, 2], matrix.high[0, 2]) == wilsons(0.5, 1.0)


def test_a_cell_that_is_all_wins_has_an_interval_as_wide_as_the_other_cells_say():
    """Alone, 20 : 0 is worth 20 votes, fewer by t with 19 degrees: (1.96 / 2.093)² · 20 = 17.54; low is
    n / (n + z²) = 0.820."""
    matrix = win_matrix(votes_of([(0, 1, 1.0, 20)]))
    assert matrix.high[0, 1] == pytest.approx(1.0)
    assert matrix.low[0, 1] == pytest.approx(17.54 / (17.54 + 3.8415), abs=1e-3)


def test_rates_of_policies_are_evalicas_average_win_rates():
    """Where all pairs have as many votes, the mean over votes is the mean over opponents, which evalica gives."""
    votes = tournament(Shape(strengths=(0.5, 0.1, -0.2, -0.6), prompts=30), seed=2)
    winners = [WINNERS[score] for score in votes.score]
    theirs = evalica.average_win_rate(votes.left.tolist(), votes.right.tolist(), winners).scores.sort_index()
    found = win_rates(votes)
    assert found.rate == pytest.approx(theirs.to_numpy())
    assert (found.low < found.rate).all()
    assert (found.rate < found.high).all()
    assert found.votes.tolist() == [180] * 4


def test_weights_move_the_rate():
    """Two wins of weight 1 and one loss of weight 2: one half."""
    matrix = win_matrix(votes_of([(0, 1, 1.0, 2), (0, 1, 0.0, 1)], weight=np.array([1.0, 1.0, 2.0])))
    assert matrix.rate[0, 1] == pytest.approx(0.5)


def test_without_votes_nothing_is_known():
    matrix = win_matrix(NO_VOTES)
    assert np.isnan(matrix.rate).all()
    assert (matrix.low[0, 1], matrix.high[0, 1]) == (0.0, 1.0)


@pytest.mark.parametrize("shape", [Shape(activity=1.0), Shape(strengths=(2.0, -2.0), prompts=20, per_item=1)])
def test_intervals_of_cells_hold_the_truth_as_often_as_they_say(shape):
    """200 tournaments; the truth of a cell is its mean over 200 others. 95 % less three standard errors of 1.5."""
    truth = np.mean([win_matrix(tournament(shape, seed)).rate[0, 1] for seed in range(1000, 1200)])
    found = [win_matrix(tournament(shape, seed)) for seed in range(200)]
    assert np.mean([one.low[0, 1] <= truth <= one.high[0, 1] for one in found]) >= 0.905
