"""Plans and forecasts against formulas by hand and against studies simulated as planned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from bench.rating.tournaments import Shape, tournament
from comparisons.statistics.planning import (
    Assumptions,
    Pairs,
    expected_reach,
    more_votes,
    parts,
    plan_for_half_width,
    votes_to_decide,
    wide_pairs,
)
from comparisons.statistics.strengths.estimate import estimate
from tests.comparisons.statistics.votes_by_hand import NO_VOTES, votes_of

ALONE = Assumptions(per_item=1, raters=1, ties=0.0, rater_part=0.0, prompt_part=0.0, seconds=36, price=20.0)


def test_independent_votes_for_five_points_are_the_textbooks_385():
    """1.96² · 0.25 / 0.05² = 384.1, a vote or two more for Student's t; 36 s each is 3.9 hours, at 20 an hour 77."""
    plan = plan_for_half_width(0.05, ALONE)
    assert plan.votes == pytest.approx(385, abs=2)
    assert plan.hours == pytest.approx((plan.votes or 0) / 100)
    assert plan.money == pytest.approx((plan.hours or 0) * 20)
    assert plan.design_effect == pytest.approx(1.0, abs=0.01)


def test_ties_make_votes_steadier():
    """A share t of ties takes t/4 off the variance of 1/4: with t = 0.2 four fifths of the votes."""
    plan = plan_for_half_width(0.05, replace(ALONE, ties=0.2))
    assert plan.votes == pytest.approx(0.8 * 384.1, abs=3)


def test_votes_on_one_prompt_that_are_alike_count_less():
    """k = 3 and q = 0.2: 1 - q + 3q = 1.4 times as many, on votes / 3 prompts; whole items are planned."""
    plan = plan_for_half_width(0.05, replace(ALONE, per_item=3, prompt_part=0.2))
    assert plan.design_effect == pytest.approx(1.4, rel=0.02)
    assert plan.votes == 3 * (plan.items or 0)


def test_each_pair_of_policies_needs_its_votes():
    """Six pairs of four policies, dealt evenly: six times as many; drawn evenly the unluckiest pair needs a reserve:
    z = 2.128 for 1/60, n = ((2.128 + sqrt(2.128² + 4 · 386)) / 2)² = 430."""
    one, four = (plan_for_half_width(0.05, replace(ALONE, policies=count)) for count in (2, 4))
    assert four.votes == 6 * (one.votes or 0)
    drawn = plan_for_half_width(0.05, replace(ALONE, policies=4, pairs=Pairs.UNIFORM))
    assert drawn.votes == pytest.approx(6 * 430, abs=12)
    assert plan_for_half_width(0.05, replace(ALONE, policies=4, pairs=Pairs.INFORMED)).votes == four.votes


def test_few_raters_cannot_reach_any_precision_and_how_many_can_is_said():
    """r = 0.04, v = 1/4: with R raters and endless votes t · 0.1 / sqrt(R); ten raters reach 2.262 · 0.0316 = 0.0715,
    and 0.05 takes 18: 2.110 · 0.1 / sqrt(18) = 0.0497, while 17 reach 2.120 · 0.1 / sqrt(17) = 0.0514."""
    plan = plan_for_half_width(0.05, replace(ALONE, raters=10, rater_part=0.04))
    assert (plan.votes, plan.hours, plan.needed_raters) == (None, None, 18)
    assert plan_for_half_width(0.05, replace(ALONE, raters=18, rater_part=0.04)).votes is not None


def test_fewer_than_five_raters_are_no_sample_of_raters():
    assert plan_for_half_width(0.05, replace(ALONE, raters=4, rater_part=0.04)).votes == pytest.approx(370, abs=2)


def test_no_precision_is_no_plan():
    with pytest.raises(ValueError, match="above 0"):
        plan_for_half_width(0.0, ALONE)


@settings(max_examples=50)
@given(
    reach=some.floats(0.02, 0.3),
    raters=some.integers(1, 60),
    rater=some.floats(0, 0.1),
    prompt=some.floats(0, 0.4),
    per_item=some.integers(1, 5),
)
def test_the_planned_votes_reach_it_and_one_less_does_not(reach, raters, rater, prompt, per_item):
    given_study = Assumptions(raters=raters, rater_part=rater, prompt_part=prompt, per_item=per_item)
    count = plan_for_half_width(reach, given_study).votes_per_pair
    if count is not None:
        assert expected_reach(count, given_study) <= reach
        assert count == 1 or expected_reach(count - 1, given_study) > reach


def test_the_half_width_of_a_study_is_the_planned_one():
    """40 tournaments of 12 raters, with the parts that a large one shows; widths of single studies vary."""
    shape = Shape(strengths=(0.1, -0.1), raters=12, prompts=100, per_item=3)
    large = parts(tournament(replace(shape, raters=200, prompts=2000), seed=1))
    given_study = Assumptions(
        raters=12, per_item=3, ties=large.ties, rater_part=large.rater, prompt_part=large.prompt, win_rate=0.5
    )
    widths = []
    for seed in range(40):
        chance = estimate(tournament(shape, seed)).win_probability(0, 1)
        widths.append((chance.high - chance.low) / 2)
    assert np.mean(widths) == pytest.approx(expected_reach(300, given_study), rel=0.1)


def test_parts_by_hand():
    """One pair; rater 0 says 1 on both prompts, rater 1 says 0 on both: the rater's part is 1, the prompt's 0 (-1)."""
    found = parts(votes_of([(0, 1, 1.0, 2), (0, 1, 0.0, 2)], raters=[0, 0, 1, 1], prompts=[0, 1, 0, 1]))
    assert (found.rater, found.prompt, found.ties) == (1.0, 0.0, 0.0)


def test_parts_of_nothing_are_nothing():
    found = parts(NO_VOTES)
    assert (found.rater, found.prompt, found.ties) == (0.0, 0.0, 0.0)


def test_parts_are_found_where_they_were_planted():
    """Even strengths, no ties: the part of raters whose taste moves the log-odds by u is Var E[σ(u + v) | u] / (1/4), v
    what prompts do, by quadrature; both are normal with twice the spreads' squares as variance."""
    shape = Shape((0.0, 0.0), -40, 300, 3000, rater_spread=0.4, prompt_spread=0.6, tie_spread=0.0)
    points, weights = np.polynomial.hermite_e.hermegauss(41)
    weights = weights / weights.sum()
    chance = 1 / (1 + np.exp(-np.sqrt(2) * (0.4 * points[:, None] + 0.6 * points)))
    by_rater, by_prompt = (4 * (weights @ mean**2 - 0.25) for mean in (chance @ weights, weights @ chance))
    found = parts(tournament(shape, seed=3))
    assert (found.rater, found.prompt) == pytest.approx((by_rater, by_prompt), abs=0.02)


def test_votes_to_decide_a_rate_of_sixty_percent():
    """After 100 votes at 60 %: difference ln 1.5 = 0.40547, s.e. 1 / sqrt(100 · 0.24) = 0.20412;
    100 · ((1.959964 + 0.841621) · 0.20412 / 0.40547)² = 198.9, so 99 more."""
    assert votes_to_decide(np.log(1.5), 1 / np.sqrt(24), 100, 1.959964) == 99
    assert votes_to_decide(0.0, 0.2, 100, 1.959964) is None
    assert votes_to_decide(0.001, 0.2, 100, 1.959964) is None


def test_a_pair_that_is_told_needs_no_more_votes_and_one_without_a_chain_gets_no_number():
    rows = [(0, 1, 1.0, 90), (0, 1, 0.0, 10), (2, 3, 1.0, 11), (2, 3, 0.0, 9)]
    found = estimate(votes_of(rows, policies=4))
    assert more_votes(found, 0, 1) == 0
    assert more_votes(found, 0, 2) is None
    assert (more_votes(found, 2, 3) or 0) > 100


def test_the_stop_rule_names_the_pairs_that_are_too_wide_the_widest_first():
    rows = [(0, 1, 1.0, 200), (0, 1, 0.0, 200), (0, 2, 1.0, 8), (0, 2, 0.0, 8), (1, 2, 1.0, 4), (1, 2, 0.0, 4)]
    found = estimate(votes_of(rows, policies=3))
    wide = wide_pairs(found, 0.15)
    assert {(pair.one, pair.other) for pair in wide} == {(0, 2), (1, 2)}
    assert [pair.width for pair in wide] == sorted((pair.width for pair in wide), reverse=True)
    assert wide_pairs(found, 0.6) == []


def test_pairs_without_a_chain_of_comparisons_never_meet_the_stop_rule():
    rows = [(0, 1, 1.0, 90), (0, 1, 0.0, 90), (2, 3, 1.0, 90), (2, 3, 0.0, 90)]
    assert len(wide_pairs(estimate(votes_of(rows, policies=4)), 0.9)) == 4
