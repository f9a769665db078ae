"""Which pair comes next: chances by hand, and estimates that they do not bend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from comparisons.statistics.selection import EVEN, balanced, draw, informed, pair_counts, pairs_of, uniform, weights
from comparisons.statistics.strengths.estimate import estimate
from comparisons.statistics.strengths.models import Model
from comparisons.statistics.votes import Votes
from tests.comparisons.statistics.votes_by_hand import votes_of

counts = some.lists(some.integers(0, 500), min_size=1, max_size=45).map(np.array)


def test_counts_and_variances_by_hand():
    """0 against 1: scores of 0 are 1, 0, 0.5 seen from both sides; Σ(s - ½)² = ½, and (½ + ¼) / 4 with the imagined
    vote. Nobody compared 2: its pairs have the imagined vote's ¼."""
    count, variance = pair_counts(votes_of([(0, 1, 1.0, 1), (1, 0, 1.0, 1), (0, 1, 0.5, 1)], policies=3))
    assert count.tolist() == [3, 0, 0]
    assert variance == pytest.approx([0.75 / 4, 0.25, 0.25])


def test_informed_chances_by_hand():
    """Variance ¼ for both, 0 and 3 votes, one more imagined: √¼ (1 - √½) = 0.146447 and √¼ (½ - √⅕) = 0.026393; shares
    0.84730 and 0.15270 of 0.7, and 0.15 each from the even draw."""
    found = informed(np.array([0, 3]), np.array([0.25, 0.25]))
    assert found == pytest.approx([0.7 * 0.84730 + 0.15, 0.7 * 0.15270 + 0.15], abs=1e-5)


def test_a_pair_whose_votes_all_agree_is_asked_less_than_one_whose_votes_differ():
    found = informed(np.array([20, 20]), np.array([0.01, 0.25]))
    assert found[1] > found[0]


def test_balanced_chances_make_up_what_a_pair_lacks():
    """10, 4 and 4 votes and 6 to come: 8 each; 0, 4 and 4 lack, so 0, ½ and ½ of 0.7 and 0.1 each."""
    assert balanced(np.array([10, 4, 4]), 6) == pytest.approx([0.1, 0.45, 0.45])


@given(count=counts)
def test_chances_sum_to_one_and_no_pair_falls_below_its_even_share(count):
    for chances in (informed(count, np.full(len(count), 0.2)), balanced(count, 10), uniform(len(count))):
        assert chances.sum() == pytest.approx(1)
        assert (chances >= EVEN / len(count) - 1e-12).all()


def test_less_than_thirty_percent_even_raises():
    with pytest.raises(ValueError, match="At least 30%"):
        informed(np.array([1, 2]), np.array([0.2, 0.2]), even=0.1)


def test_pairs_are_drawn_as_often_as_the_chances_say():
    """10,000 draws at 0.7, 0.2, 0.1: standard errors of 46, 40 and 30; four of them."""
    drawn = np.bincount(draw(np.array([0.7, 0.2, 0.1]), 10_000, np.random.default_rng(1)), minlength=3)
    assert (np.abs(drawn - [7000, 2000, 1000]) < 4 * np.array([46, 40, 30])).all()


def test_weights_are_inverse_chances_with_mean_one():
    assert weights(np.array([0.5, 0.25])) == pytest.approx([2 / 3, 4 / 3])


def test_weights_give_the_estimate_of_an_even_draw_where_no_model_of_strengths_is_true():
    """A circle: 0 beats 1 in 80 %, 1 beats 2 in 80 %, 2 beats 0 in 60 %. Drawn mostly from the first pair, unweighted
    strengths move; weighted ones are those of the even draw."""
    chance, (i, j) = np.random.default_rng(2), pairs_of(3)
    beats = np.array([0.8, 0.4, 0.8])  # pairs (0, 1), (0, 2), (1, 2)

    def strengths(chances, weighted):
        pair = draw(chances, 60_000, chance)
        score = (chance.random(60_000) < beats[pair]).astype(float)
        weight = weights(chances[pair]) if weighted else None
        votes = Votes(i[pair], j[pair], score, np.arange(60_000) % 50, np.arange(60_000) % 900, 3, weight)
        return estimate(votes, Model.HALVES).theta

    even, skewed = strengths(uniform(3), False), np.array([0.8, 0.1, 0.1])
    assert strengths(skewed, True) == pytest.approx(even, abs=0.04)
    assert np.abs(strengths(skewed, False) - even).max() > 0.1


def test_informed_draws_narrow_the_widest_pair_faster_than_even_draws():
    """One of three pairs is one-sided (95 %), so its rate is soon known. After 900 votes the widest error of a pair's
    rate, averaged over 20 runs, is smaller when pairs are drawn by information."""
    beats = np.array([0.95, 0.5, 0.5])

    def widest(rule, seed):
        chance, count, total = np.random.default_rng(seed), np.zeros(3, dtype=np.int64), np.zeros(3)
        for _ in range(9):
            mean = total / np.maximum(count, 1)
            variance = (count * mean * (1 - mean) + 0.25) / (count + 1)
            pair = draw(rule(count, variance), 100, chance)
            np.add.at(count, pair, 1)
            np.add.at(total, pair, chance.random(100) < beats[pair])
        return np.sqrt(beats * (1 - beats) / count).max()

    even = np.mean([widest(lambda count, variance: uniform(3), seed) for seed in range(20)])
    assert np.mean([widest(informed, seed) for seed in range(20)]) < 0.95 * even
