"""The few that carry a result: exact counts where they are known, every subset tried where there are few."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from bench.rating.tournaments import Shape, tournament
from comparisons.statistics.fragility import (
    Kind,
    LeaveOneOut,
    first_place,
    fragility_words,
    leave_one_out,
    leave_one_out_words,
)
from comparisons.statistics.strengths.estimate import estimate
from tests.comparisons.statistics.votes_by_hand import votes_of

NAMES = ["CPO", "DPO", "base"]


def test_thirty_to_ten_turns_without_twenty_one_wins():
    """30 wins, 10 losses: without 20 wins it is 10 : 10, without 21 the other is ahead."""
    found = first_place(votes_of([(0, 1, 1.0, 30), (0, 1, 0.0, 10)]), Kind.VOTE)
    assert (found.ahead, found.other, found.removed, found.total) == (0, 1, 21, 40)
    assert max(found.members) < 30


def test_ties_are_not_what_carries_a_lead():
    """12 : 10 and 8 ties under Davidson's model: three wins less and the other leads by 10 to 9."""
    found = first_place(votes_of([(0, 1, 1.0, 12), (0, 1, 0.0, 10), (0, 1, 0.5, 8)]), Kind.VOTE)
    assert found.removed == 3


def test_what_is_reported_really_turns_the_result():
    for seed in range(5):
        votes = tournament(Shape(), seed)
        found = first_place(votes, Kind.VOTE)
        left = np.ones(len(votes), dtype=bool)
        left[list(found.members)] = False
        theta = estimate(votes.where(left)).theta
        assert theta[found.other] > theta[found.ahead]


@pytest.mark.parametrize("kind", [Kind.RATER, Kind.PROMPT])
@pytest.mark.parametrize("seed", range(6))
def test_no_smaller_set_of_raters_or_prompts_turns_the_first_place(kind, seed):
    """Seven of each, so that all sets can be tried."""
    votes = tournament(Shape(strengths=(0.3, 0.0, -0.2), raters=7, prompts=7), seed)
    found, units = first_place(votes, kind), votes.rater if kind is Kind.RATER else votes.prompt
    best = int(np.argmax(estimate(votes).theta))
    for size in range(1, min(found.removed or 4, 4)):
        for gone in combinations(np.unique(units), size):
            left = votes.where(~np.isin(units, gone))
            assert int(np.argmax(estimate(left).theta)) == best


def test_a_lead_that_all_share_cannot_be_turned():
    found = first_place(votes_of([(0, 1, 1.0, 20)]), Kind.VOTE)
    assert found is not None
    assert (found.removed, found.members) == (None, ())
    assert fragility_words(found, NAMES) == "However many votes are left out, DPO does not come before CPO."


def test_policies_that_cannot_be_compared_carry_nothing():
    votes = votes_of([(0, 1, 1.0, 3), (1, 0, 1.0, 3), (2, 3, 1.0, 2), (3, 2, 1.0, 2)], policies=4)
    assert first_place(votes, Kind.VOTE) is None


def test_words_tell_how_few():
    found = first_place(votes_of([(0, 1, 1.0, 30), (0, 1, 0.0, 10)]), Kind.VOTE)
    assert found is not None
    assert fragility_words(found, NAMES) == "Without 21 votes of 40 (52 %) DPO would come before CPO."


def test_leaving_one_out_is_refitting_without_it():
    votes = tournament(Shape(raters=6, prompts=12), seed=3)
    found = leave_one_out(votes, Kind.RATER)
    refits = [estimate(votes.where(votes.rater != rater)).theta for rater in range(6)]
    gaps = [theta[0] - theta[1] for theta in refits]
    assert (found.low[0, 1], found.high[0, 1]) == pytest.approx((min(gaps), max(gaps)), abs=1e-6)
    assert sum(found.first.values()) == found.tried == 6


def test_a_rater_who_alone_decides_is_named():
    """Without rater 9 it is 5 : 6 and not 11 : 6."""
    raters = np.concatenate([np.full(6, 9), np.arange(11) % 5])
    votes = votes_of([(0, 1, 1.0, 6), (0, 1, 1.0, 5), (0, 1, 0.0, 6)], raters=raters)
    found = leave_one_out(votes, Kind.RATER)
    assert found.turning == (9,)
    assert leave_one_out_words(found, NAMES) == (
        "Who is first hangs on single raters: CPO (5) and DPO (1) of the 6 raters that were left out in turn."
    )


def test_a_prompt_that_links_two_groups_is_told_apart_from_one_that_turns_the_result():
    rows = [(0, 1, 1.0, 9), (1, 0, 1.0, 3), (1, 2, 1.0, 1), (2, 1, 1.0, 1)]
    prompts = np.concatenate([np.arange(12), [12, 12]])
    found = leave_one_out(votes_of(rows, policies=3, prompts=prompts), Kind.PROMPT)
    assert found.linking == (12,)


def test_a_firm_first_place_is_said_to_be_firm():
    firm = LeaveOneOut(Kind.PROMPT, np.zeros((2, 2)), np.zeros((2, 2)), {0: 60}, (), (), 60)
    assert leave_one_out_words(firm, NAMES) == "CPO is first whichever prompt is left out."
