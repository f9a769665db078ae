"""Statistics of votes against arithmetic by hand and independent optimisation."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.optimize import minimize

from comparisons.leaderboard import (
    Strengths,
    bradley_terry,
    leaders,
    verdict,
    votes_to_decide,
    win_matrix,
)
from comparisons.statistics.votes import Votes


def votes_of(rows, policies=2, clusters=None):
    """Rows are (left, right, score, how often); every vote is a prompt of its own unless clusters are given."""
    flat = [row[:3] for row in rows for _ in range(row[3])]
    left, right, score = (np.array(column) for column in zip(*flat, strict=True))
    cluster = np.arange(len(flat)) if clusters is None else np.asarray(clusters)
    rater = np.arange(len(flat))
    return Votes(left.astype(np.int64), right.astype(np.int64), score.astype(float), rater, cluster, policies)


def random_votes(theta, count, seed, clusters=200, ties=0.1):
    chance = np.random.default_rng(seed)
    left = chance.integers(0, len(theta), count)
    right = (left + chance.integers(1, len(theta), count)) % len(theta)
    wins = chance.random(count) < 1 / (1 + np.exp(theta[right] - theta[left]))
    score = np.where(chance.random(count) < ties, 0.5, wins.astype(float))
    return Votes(left, right, score, np.arange(count), chance.integers(0, clusters, count), len(theta))


def test_win_matrix_counts_wins_and_ties_from_both_sides():
    """0 beats 1 three times as left and once as right, loses once, ties twice: 4 wins + 2 / 2 of 7 = 5/7."""
    matrix = win_matrix(votes_of([(0, 1, 1.0, 3), (1, 0, 0.0, 1), (0, 1, 0.0, 1), (1, 0, 0.5, 2)]))
    assert matrix.wins.tolist() == [[0, 4], [1, 0]]
    assert matrix.ties.tolist() == [[0, 2], [2, 0]]
    assert matrix.votes[0, 1] == 7
    assert matrix.rate[0, 1] == pytest.approx(5 / 7)
    assert matrix.rate[0, 1] + matrix.rate[1, 0] == pytest.approx(1)
    assert np.isnan(matrix.rate[0, 0])


def test_two_policies_differ_by_the_log_odds_of_their_rate():
    """30 wins, 10 losses: θ0 - θ1 = ln 3; centred, so ±ln(3)/2. With every vote its own prompt the sandwich variance is
    Σ(residual²) / (n p q)² · 40/39 = (n p q) / (n p q)² · 40/39 = 1 / 7.5 · 40/39, s.e. 0.36980."""
    found = bradley_terry(votes_of([(0, 1, 1.0, 30), (0, 1, 0.0, 10)]))
    value, low, high = found.difference(0, 1)
    assert value == pytest.approx(np.log(3))
    assert (high - low) / 2 / 1.959964 == pytest.approx(np.sqrt(40 / 39 / 7.5))
    assert found.theta.sum() == pytest.approx(0)
    assert not found.corrected


def test_ties_count_as_half_wins():
    """20 wins, 20 ties, 0 losses is 30 : 10 in half wins: ln 3."""
    found = bradley_terry(votes_of([(0, 1, 1.0, 20), (1, 0, 0.5, 20)]))
    assert found.difference(0, 1)[0] == pytest.approx(np.log(3))


def test_repeated_votes_of_a_prompt_widen_the_interval_as_clusters_should():
    """Every vote doubled within its prompt: same estimate, score of a prompt doubles, information doubles: the variance
    is what it was before doubling, so the interval does not shrink."""
    rows = [(0, 1, 1.0, 30), (0, 1, 0.0, 10)]
    once = bradley_terry(votes_of(rows))
    doubled = votes_of([(left, right, score, 2 * n) for left, right, score, n in rows], clusters=np.arange(80) // 2)
    twice = bradley_terry(doubled)
    assert twice.difference(0, 1) == pytest.approx(once.difference(0, 1))


def test_strengths_match_scipy_on_five_policies():
    votes = random_votes(np.array([0.8, 0.3, 0.0, -0.4, -0.7]), 4000, seed=1)

    def loss(theta):
        margin = theta[votes.left] - theta[votes.right]
        return np.sum(np.logaddexp(0, -margin) * votes.score + np.logaddexp(0, margin) * (1 - votes.score))

    expected = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-8}).x
    assert bradley_terry(votes).theta == pytest.approx(expected - expected.mean(), abs=1e-5)


def test_sandwich_matches_the_formula_written_out_with_one_parameter_fixed():
    """The same estimator in another parametrisation: θ0 = 0 and a plain inverse instead of the centred pseudo-inverse;
    differences of strengths do not depend on which is chosen."""
    votes = random_votes(np.array([0.5, 0.0, -0.5]), 600, seed=2, clusters=60)
    found = bradley_terry(votes)
    design = np.zeros((600, 3))
    design[np.arange(600), votes.left] += 1
    design[np.arange(600), votes.right] -= 1
    design = design[:, 1:]
    chance = 1 / (1 + np.exp(-(design @ (found.theta[1:] - found.theta[0]))))
    bread = np.linalg.inv(design.T @ (design * (chance * (1 - chance))[:, None]))
    scores = design * (votes.score - chance)[:, None]
    summed = np.array([scores[votes.prompt == c].sum(axis=0) for c in np.unique(votes.prompt)])
    covariance = bread @ (summed.T @ summed) @ bread * 60 / 59
    expected = 1.959964 * np.sqrt(covariance[0, 0])
    _, low, high = found.difference(1, 0)
    assert (high - low) / 2 == pytest.approx(expected, rel=1e-6)


def test_intervals_cover_the_truth_as_often_as_they_say():
    """300 tournaments in which the three votes of a prompt are one and the same: of 300 intervals 285 should hold the
    truth, give or take sqrt(300 · 0.95 · 0.05) = 3.8; 270 to 297 leaves room for four and three of these."""
    truth, covered = np.log(1.5), 0
    for seed in range(300):
        chance = np.random.default_rng(seed)
        score = np.repeat((chance.random(80) < 0.6).astype(float), 3)
        cluster = np.repeat(np.arange(80), 3)
        votes = Votes(np.zeros(240, np.int64), np.ones(240, np.int64), score, np.arange(240), cluster, 2)
        _, low, high = bradley_terry(votes).difference(0, 1)
        covered += low <= truth <= high
    assert 270 <= covered <= 297


def test_a_policy_that_never_lost_gets_a_finite_strength_and_says_so():
    """10 : 0 with half a win added to both sides: ln(10.5 / 0.5), variance 1/10.5 + 1/0.5 (Haldane-Anscombe)."""
    found = bradley_terry(votes_of([(0, 1, 1.0, 10)]))
    value, low, _high = found.difference(0, 1)
    assert found.corrected
    assert value == pytest.approx(np.log(21))
    assert (value - low) / 1.959964 == pytest.approx(np.sqrt(1 / 10.5 + 2))


def test_policies_that_were_never_compared_have_no_common_scale():
    found = bradley_terry(votes_of([(0, 1, 1.0, 3), (1, 0, 1.0, 3), (2, 3, 1.0, 2), (3, 2, 1.0, 2)], policies=4))
    assert not found.connected
    assert not found.corrected


def test_votes_of_one_prompt_do_not_make_an_interval_of_width_zero():
    found = bradley_terry(votes_of([(0, 1, 1.0, 6), (0, 1, 0.0, 4)], clusters=np.zeros(10)))
    _, low, high = found.difference(0, 1)
    assert high - low > 2


def test_a_variance_that_rounding_left_below_zero_gives_an_interval_of_no_width():
    """A policy that wins and loses as often within each prompt has a score vector of 0, or of -1e-18."""
    found = Strengths(np.zeros(2), np.full((2, 2), -1e-18), corrected=False, connected=True)
    assert found.interval(0) == (0.0, 0.0)


def test_votes_to_decide_a_rate_of_sixty_percent():
    """After 100 votes at 60 %: difference ln 1.5 = 0.40547, s.e. 1 / sqrt(100 · 0.24) = 0.20412;
    100 · ((1.959964 + 0.841621) · 0.20412 / 0.40547)² = 198.9, so 99 more."""
    assert votes_to_decide(np.log(1.5), 1 / np.sqrt(24), 100) == 99
    assert votes_to_decide(0.0, 0.2, 100) is None
    assert votes_to_decide(0.001, 0.2, 100) is None


def test_the_verdict_names_the_winner_with_rate_interval_and_votes():
    """120 : 40: 75 %, log-odds ln 3 ± 1.96 · sqrt(1/30 · 160/159) = [0.740, 1.458], so [68, 81] %."""
    words = verdict(votes_of([(0, 1, 1.0, 120), (0, 1, 0.0, 40)]), ["DPO", "base"])
    assert words == "DPO is preferred to base in 75 % [68, 81] of 160 comparisons."


def test_the_verdict_says_when_the_votes_cannot_tell():
    """22 : 18: difference 0.20067, s.e. sqrt(40/39 / (40 · 0.2475)) = 0.32188; 40 · (2.80159 · 0.32188 / 0.20067)² - 40
    = 767.7, told as 770."""
    words = verdict(votes_of([(0, 1, 1.0, 22), (0, 1, 0.0, 18)]), ["DPO", "base"])
    assert words.startswith("The votes cannot tell DPO from base yet: DPO is preferred in 55 %")
    assert words.endswith("If it stays so, about 770 more votes like these would decide it.")


def test_the_verdict_of_several_policies_names_whom_it_cannot_tell_apart():
    rows = [(0, 1, 1.0, 26), (0, 1, 0.0, 24), (0, 2, 1.0, 45), (0, 2, 0.0, 5), (1, 2, 1.0, 45), (1, 2, 0.0, 5)]
    words = verdict(votes_of(rows, policies=3), ["CPO", "DPO", "base"])
    assert words.startswith(
        "CPO leads, but the votes cannot tell it from DPO yet. It is preferred to base (90 % of 50)."
    )
    assert leaders(bradley_terry(votes_of(rows, policies=3))) == (0, [1])


def test_no_votes_give_a_sentence_and_not_an_error():
    none = np.array([], dtype=np.int64)
    nothing = Votes(none, none, none.astype(float), none, none, 2)
    assert verdict(nothing, ["a", "b"]).startswith("No judgement prefers")


def test_a_million_votes_of_twenty_policies_take_seconds():
    votes = random_votes(np.linspace(-1, 1, 20), 1_000_000, seed=3, clusters=5000)
    start = time.perf_counter()
    found = bradley_terry(votes)
    assert time.perf_counter() - start < 10
    assert np.abs(np.corrcoef(found.theta, np.linspace(-1, 1, 20))[0, 1]) > 0.99
