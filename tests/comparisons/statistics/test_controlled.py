"""Strengths at equal style, against statsmodels, closed forms and planted effects."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from bench.rating.tournaments import Shape, tournament
from comparisons.statistics.controlled import average_rates, controlled, score_slopes
from comparisons.statistics.strengths.evidence import weigh
from comparisons.statistics.strengths.models import Model, probabilities
from comparisons.statistics.votes import Votes
from tests.comparisons.statistics.votes_by_hand import votes_of


def styled(seed, count, raters=12, prompts=120, effect=1.0):
    """Votes of three policies of which the last writes longer; longer answers are preferred by `effect` a unit."""
    chance = np.random.default_rng(seed)
    strengths, habit = np.array([0.4, 0.0, -0.4]), np.array([0.0, 0.0, 0.8])
    left = chance.integers(0, 3, count)
    right = (left + chance.integers(1, 3, count)) % 3
    length = np.tanh(habit[left] - habit[right] + 0.5 * chance.standard_normal(count))
    rater, prompt = chance.integers(0, raters, count), chance.integers(0, prompts, count)
    taste, liking = 0.3 * chance.standard_normal((raters, 3)), effect + 0.5 * chance.standard_normal(raters)
    gap = strengths[left] - strengths[right] + taste[rater, left] - taste[rater, right] + liking[rater] * length
    odds = np.exp(np.stack([gap / 2, np.full(count, -0.5), -gap / 2]))
    point, (win, tie, _) = chance.random(count), odds / odds.sum(axis=0)
    score = np.where(point < win, 1.0, np.where(point < win + tie, 0.5, 0.0))
    unrelated = 0.3 * chance.standard_normal(count)
    return Votes(left, right, score, rater, prompt, 3), np.column_stack([length, unrelated])


def test_without_ties_and_penalty_it_is_a_logistic_regression():
    votes = tournament(Shape(tie=-40.0), seed=1)
    features = np.random.default_rng(1).standard_normal((len(votes), 2))
    design = np.zeros((len(votes), 3))
    design[np.arange(len(votes)), votes.left], design[np.arange(len(votes)), votes.right] = 1, -1
    theirs = sm.GLM(votes.score, np.hstack([design[:, 1:], features]), family=sm.families.Binomial()).fit()
    found = controlled(votes, features, penalty=0.0)
    size = np.sqrt((features**2).mean(axis=0))
    assert [effect.value for effect in found.effects] == pytest.approx(theirs.params[2:] * size, abs=1e-6)
    expected = np.array([0, *theirs.params[:2]])
    assert found.strengths.theta == pytest.approx(expected - expected.mean(), abs=1e-6)


def test_a_planted_liking_for_length_is_found_and_taken_off():
    """The longest policy is last at equal style by about 0.8, though it wins half of its votes."""
    votes, features = styled(0, 8000, raters=60, prompts=400)
    found = controlled(votes, features)
    assert found.effects[0].low > 0.3
    assert found.effects[1].low < 0 < found.effects[1].high
    assert found.moves[2].high < -0.2
    assert found.rates[2].high < found.plain_rates[2].low


def test_moves_are_the_difference_of_the_two_estimates():
    votes, features = styled(1, 1000)
    found = controlled(votes, features)
    plain = weigh(votes).found.parameters[:3]
    assert [move.value for move in found.moves] == pytest.approx(found.strengths.theta - plain, abs=1e-8)


def test_a_feature_that_never_differs_changes_nothing_and_its_effect_stays_unknown():
    """With a penalty of β² / 2 alone the effect is 0 ± 1.96."""
    votes = tournament(Shape(), seed=2)
    found = controlled(votes, np.zeros((len(votes), 1)))
    (effect,) = found.effects
    assert (effect.value, effect.low, effect.high) == pytest.approx((0.0, -1.95996, 1.95996), abs=1e-4)
    assert [move.value for move in found.moves] == pytest.approx([0, 0, 0], abs=1e-9)
    assert [rate.value for rate in found.rates] == pytest.approx([rate.value for rate in found.plain_rates])


def test_sides_may_be_swapped():
    votes, features = styled(3, 1000)
    swapped = Votes(votes.right, votes.left, 1 - votes.score, votes.rater, votes.prompt, 3)
    one, other = controlled(votes, features), controlled(swapped, -features)
    assert one.strengths.theta == pytest.approx(other.strengths.theta, abs=1e-8)
    assert [effect.value for effect in one.effects] == pytest.approx([effect.value for effect in other.effects])


def test_the_average_rate_of_two_policies_is_the_observed_one():
    """24 : 6 and 12 ties: 30/42; every vote for itself: V = Σ(s - 5/7)² / 42² (2 · 42/41 - 1) with Σ = 24 · (2/7)² +
    6 · (5/7)² + 12 · (3/14)² = 5.571, so s.e. 0.0576; on the logit scale 0.0576 / (p q) = 0.2822; t with 41 degrees."""
    votes = votes_of([(0, 1, 1.0, 24), (0, 1, 0.0, 6), (1, 0, 0.5, 12)])
    first, second = average_rates(weigh(votes))
    assert first.value == pytest.approx(5 / 7)
    assert second.value == pytest.approx(2 / 7)
    logit = np.log(5 / 2)
    low = 1 / (1 + np.exp(-(logit - 2.0195 * 0.2822)))
    assert first.low == pytest.approx(low, abs=2e-3)


@pytest.mark.parametrize("model", list(Model))
def test_the_slopes_of_the_expected_score_are_those_of_its_differences(model):
    gap, tie, step = np.linspace(-3, 3, 13), 0.4, 1e-6

    def expected(move, tie_move):
        win, draw = probabilities(model, gap + move, tie + tie_move)
        return win + draw / 2

    slope, tie_slope = score_slopes(model, gap, tie)
    assert slope == pytest.approx((expected(step, 0) - expected(-step, 0)) / (2 * step), abs=1e-7)
    assert tie_slope == pytest.approx((expected(0, step) - expected(0, -step)) / (2 * step), abs=1e-7)


def test_intervals_of_moves_and_effects_hold_the_truth():
    """The truth is a study of 200,000 votes; of 60 small ones 57 should hold it, 52 is three standard errors below."""
    large = controlled(*styled(1_000_000, 200_000, raters=3000, prompts=20_000))
    small = [controlled(*styled(seed, 800, raters=8, prompts=80)) for seed in range(60)]
    for part in ("moves", "effects", "rates"):
        truth = getattr(large, part)[0].value
        held = [getattr(one, part)[0].low <= truth <= getattr(one, part)[0].high for one in small]
        assert np.sum(held) >= 52
