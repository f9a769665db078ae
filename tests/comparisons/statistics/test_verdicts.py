"""Sentences: nobody is called better unless the votes say so, and the arithmetic behind the figures."""

from __future__ import annotations

import numpy as np
import pytest

from bench.rating.tournaments import Shape, tournament
from comparisons.statistics.strengths.estimate import estimate
from comparisons.statistics.verdicts import leaders, place_words, places, rounded, scope, until_decided, verdict
from comparisons.statistics.win_rates import win_matrix
from tests.comparisons.statistics.votes_by_hand import NO_VOTES, votes_of


def said(votes, names):
    return verdict(estimate(votes) if len(votes) else None, win_matrix(votes), names)


THREE = [(0, 1, 1.0, 26), (0, 1, 0.0, 24), (0, 2, 1.0, 45), (0, 2, 0.0, 5), (1, 2, 1.0, 45), (1, 2, 0.0, 5)]


def test_the_verdict_names_the_winner_with_rate_interval_and_votes():
    """120 : 40: 75 %, log-odds ln 3 = 1.0986, variance (2 · 160/159 - 1) / 30, s.e. 0.1837, t with 159 degrees 1.975:
    [0.736, 1.461], so [68, 81] %."""
    words = said(votes_of([(0, 1, 1.0, 120), (0, 1, 0.0, 40)]), ["DPO", "base"])
    assert words == "DPO is preferred to base in 75 % [68, 81] of 160 comparisons."


def test_the_verdict_says_when_the_votes_cannot_tell():
    """22 : 18: difference 0.20067, s.e. sqrt((2 · 40/39 - 1) / (40 · 0.2475)) = 0.3259;
    40 · ((1.95996 + 0.84162) · 0.3259 / 0.20067)² - 40 = 788.0, told as 790."""
    words = said(votes_of([(0, 1, 1.0, 22), (0, 1, 0.0, 18)]), ["DPO", "base"])
    assert words.startswith("The votes cannot tell DPO from base yet: DPO is preferred in 55 %")
    assert words.endswith("If it stays so, about 790 more votes like these would decide it.")


def test_the_verdict_of_several_policies_names_whom_it_cannot_tell_apart():
    votes = votes_of(THREE, policies=3)
    assert said(votes, ["CPO", "DPO", "base"]).startswith(
        "CPO leads, but the votes cannot tell it from DPO yet. It is preferred to base (90 % of 50)."
    )
    assert leaders(estimate(votes)) == (0, [1])


def test_a_winner_over_all_is_told_with_every_rate_and_who_was_met_only_through_others():
    rows = [(0, 1, 1.0, 90), (0, 1, 0.0, 10), (1, 2, 1.0, 90), (1, 2, 0.0, 10)]
    words = said(votes_of(rows, policies=3), ["CPO", "DPO", "base"])
    assert words == "CPO is preferred to every other policy: DPO (90 % of 100) and base (through others)."


def test_what_one_pair_alone_would_decide_is_not_said_when_there_are_many_pairs():
    """61 : 39 is beyond chance for one pair (|t| = 2.2), but not as the largest of the fifteen of six policies."""
    rows = [(i, j, score, 50) for i in range(6) for j in range(i + 1, 6) for score in (0.0, 1.0) if (i, j) != (0, 1)]
    votes = votes_of([(0, 1, 1.0, 61), (0, 1, 0.0, 39), *rows], policies=6)
    alone = votes_of([(0, 1, 1.0, 61), (0, 1, 0.0, 39)])
    assert estimate(alone).decided(0, 1)
    assert not estimate(votes).decided(0, 1)


def test_places_say_what_the_votes_leave_open():
    found = places(estimate(votes_of(THREE, policies=3)))
    assert found == [(1, 2), (1, 2), (3, 3)]
    assert [place_words(place) for place in found] == ["1 to 2", "1 to 2", "3"]


def test_the_true_places_lie_within_those_told():
    """All at once with 95 % chance: of 60 tournaments of five policies about 57; 51 is three standard errors below."""
    shape = Shape(strengths=(0.6, 0.3, 0.0, -0.3, -0.6), rater_spread=0.3, prompt_spread=0.3, tie_spread=0.2)
    told = [places(estimate(tournament(shape, seed))) for seed in range(60)]
    right = [all(low <= place <= high for place, (low, high) in enumerate(found, start=1)) for found in told]
    assert np.sum(right) >= 51


def test_no_votes_give_a_sentence_and_not_an_error():
    assert said(NO_VOTES, ["a", "b"]).startswith("No judgement prefers")


def test_policies_without_a_chain_of_comparisons_get_no_ranking():
    rows = [(0, 1, 1.0, 3), (1, 0, 1.0, 3), (2, 3, 1.0, 2), (3, 2, 1.0, 2)]
    assert "no common ranking" in said(votes_of(rows, policies=4), ["a", "b", "c", "d"])


@pytest.mark.parametrize(
    "raters,prompts,words",
    [
        (8, 60, "other raters and other prompts like these."),
        (
            3,
            60,
            "these 3 raters alone, and of other prompts like these; with 5 raters or more they speak of others too.",
        ),
        (8, 1, "this prompt alone, and of other raters like these; with 5 prompts or more they speak of others too."),
        (1, 4, "this rater and these 4 prompts alone; with 5 or more of each they speak of others too."),
    ],
)
def test_it_is_said_of_whom_the_intervals_speak(raters, prompts, words):
    votes = tournament(Shape(raters=raters, prompts=prompts, per_item=min(2, raters)), seed=1)
    assert scope(estimate(votes)) == f"The intervals speak of {words}"


def test_for_every_pair_it_is_said_whether_it_is_decided_or_how_many_more_votes_would_do_it():
    """120 of 160 wins is far from half; 22 of 40 is not."""
    clear, close = (estimate(votes_of([(0, 1, 1.0, won), (0, 1, 0.0, lost)])) for won, lost in ((120, 40), (22, 18)))
    assert until_decided(clear, 0, 1) == until_decided(clear, 1, 0) == "decided"
    assert until_decided(close, 0, 1) == until_decided(close, 1, 0)
    assert until_decided(close, 0, 1).startswith("about ")


TOO_FEW = "level so far, of too few votes to say more"


@pytest.mark.parametrize("wins, words", [(200, "hardly ever decided"), (20, TOO_FEW)])
def test_policies_that_are_level_are_called_close_only_by_many_votes(wins, words):
    """Half of 400 is 45 to 55 %, half of 40 is 35 to 65 %: the first is close, the second may be anything."""
    even = estimate(votes_of([(0, 1, 1.0, wins), (0, 1, 0.0, wins)]))
    assert until_decided(even, 0, 1) == words


@pytest.mark.parametrize("number,words", [(7, 7), (99, 99), (101, 110), (788, 790), (12_345, 13_000)])
def test_an_estimate_has_two_leading_digits(number, words):
    assert rounded(number) == words
