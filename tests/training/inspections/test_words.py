"""Verdicts fire on figures made for them and stay silent on their healthy twins."""

from __future__ import annotations

import dataclasses

import pytest

from tests.training.inspections.test_measure import scored
from training.config import Method
from training.inspections import words
from training.inspections.measure import Beyond, share, summarise
from training.inspections.summary import Disagreement, Kind, LengthBias, Oddity, Summary


@pytest.fixture
def healthy() -> Summary:
    """Four of five pairs right, longer and shorter alike, calibrated."""
    pairs = [
        scored(i, 1.386 if i % 5 else -1.386, chosen=9 if i % 2 else 4, rejected=4 if i % 2 else 9, split="held_out")
        for i in range(200)
    ]
    return summarise(Kind.REWARD, pairs, beta=0.0, logit_scale=1.0, beyond=Beyond())


def titles(summary: Summary) -> list[str]:
    return [verdict.title for verdict in words.verdicts(summary)]


def length_bias(*, correlation: float, shorter: int, longer: int) -> LengthBias:
    """Of 100 pairs each, so many are ranked rightly where the shorter or the longer answer is chosen."""
    shares = {"right": lambda n: share([1.0] * n + [0.0] * (100 - n))}
    return LengthBias(
        correlation=correlation,
        within_pairs=correlation,
        prefers_longer=share([1.0] * (longer + 100 - shorter) + [0.0] * (100 - longer + shorter)),
        labels_prefer_longer=share([1.0] * 100 + [0.0] * 100),
        where_longer_chosen=shares["right"](longer),
        where_shorter_chosen=shares["right"](shorter),
    )


def test_a_healthy_reward_is_accused_of_nothing(healthy):
    assert titles(healthy) == []


def test_length_bias_is_said_with_the_labels_own_share(healthy):
    sick = dataclasses.replace(healthy, length=length_bias(correlation=0.8, shorter=20, longer=98))
    [verdict] = words.verdicts(sick)
    assert (verdict.level, verdict.title, verdict.slice) == ("error", "It rewards length", "longer:rejected")
    assert "in 89 % of pairs, the labels in 50 %" in verdict.text


def test_a_lag_where_the_shorter_is_chosen_is_a_warning_without_correlation(healthy):
    bias = length_bias(correlation=0.1, shorter=40, longer=90)
    assert titles(dataclasses.replace(healthy, length=bias)) == ["It may reward length"]


def test_a_correlation_that_goes_no_further_than_the_labels_is_no_bias(healthy):
    """Where longer answers are better, a good score grows with length: 51 % longer preferred, labels 50 %."""
    bias = length_bias(correlation=0.5, shorter=80, longer=82)
    assert titles(dataclasses.replace(healthy, length=bias)) == []


def test_data_without_a_shorter_chosen_answer_cannot_tell(healthy):
    bias = dataclasses.replace(length_bias(correlation=0.8, shorter=0, longer=98), where_shorter_chosen=share([]))
    [verdict] = words.verdicts(dataclasses.replace(healthy, length=bias))
    assert "cannot tell length from quality" in verdict.text


def test_a_reward_no_better_than_a_coin_is_said_to_be(healthy):
    coin = [scored(i, 0.01 if i % 2 else -0.01, chosen=4, rejected=4) for i in range(60)]
    summary = summarise(Kind.REWARD, coin, beta=0.0, logit_scale=1.0, beyond=Beyond())
    assert titles(summary) == ["No better than chance"]


def test_probabilities_that_claim_too_much_are_badly_calibrated():
    """Four of five right, believed with sigma(6) = 99.8 %: off by 20 points."""
    pairs = [scored(i, 6.0 if i % 5 else -6.0) for i in range(200)]
    summary = summarise(Kind.REWARD, pairs, beta=0.0, logit_scale=1.0, beyond=Beyond())
    [verdict] = words.verdicts(summary)
    assert (verdict.level, verdict.title) == ("error", "Badly calibrated")
    assert "claim more than they hold" in verdict.text


def test_a_policy_of_unknown_beta_has_no_probabilities_to_judge():
    pairs = [scored(i, 6.0 if i % 5 else -6.0) for i in range(200)]
    assert titles(summarise(Kind.POLICY, pairs, beta=0.0, logit_scale=1.0, beyond=Beyond())) == []


@pytest.mark.parametrize("above, title", [(32, "It likes empty answers"), (31, "It sometimes likes empty answers")])
def test_a_liking_of_nonsense_is_a_warning(healthy, above, title):
    odd = Oddity("empty answers", 1.0, share([1.0] * above + [0.0] * (64 - above)), "")
    assert titles(dataclasses.replace(healthy, oddities=(odd,))) == [title]


def test_twins_that_disagree_are_a_warning(healthy):
    twins = Disagreement(share([1.0] * 40 + [0.0] * 60), 0.5, ())
    assert titles(dataclasses.replace(healthy, disagreement=twins)) == ["Its twin disagrees"]


def test_a_reference_check_says_what_it_means_for_dpo():
    """53 of 100 ranked wrongly: Wilson's interval is [43, 62]."""
    pairs = [scored(i, -1.0 if i < 53 else 1.0) for i in range(100)]
    summary = summarise(Kind.REFERENCE, pairs, beta=0.0, logit_scale=1.0, beyond=Beyond())
    start = "The reference ranks 53 % [43, 62] of these pairs wrongly"
    assert words.reference_in_short(summary, Method.DPO).startswith(f"{start}; DPO stops at “less wrong”")
    assert words.reference_in_short(summary, Method.CPO).startswith(f"{start}; with a floor of 0")
    assert words.reference_in_short(summary, Method.SIMPO).startswith(f"{start}. This method does not compare")
    assert words.verdicts(summary) == []


def test_a_reference_that_is_nearly_always_right_leaves_dpo_little_to_do():
    pairs = [scored(i, -1.0 if i < 2 else 1.0) for i in range(100)]
    summary = summarise(Kind.REFERENCE, pairs, beta=0.0, logit_scale=1.0, beyond=Beyond())
    assert words.reference_in_short(summary, Method.DPO).endswith("little to turn round.")


def test_miscalibration_that_one_temperature_mends_is_told_from_one_that_it_does_not(healthy):
    """Off by 11 %: 2 % after T = 1.8 is mended, 10 % after T = 1.0 is not."""
    off = {"error": 0.11, "error_by_chance": 0.02, "temperature": 1.8, "error_fitted": 0.02}
    measured = dataclasses.replace(healthy.calibration, **off)
    mended = words.verdicts(dataclasses.replace(healthy, calibration=measured))[0].text
    assert "claim more than they hold: divided by 1.8 they are off by 2 %" in mended
    left = dataclasses.replace(measured, temperature=1.0, error_fitted=0.1)
    assert "No one temperature mends that" in words.verdicts(dataclasses.replace(healthy, calibration=left))[0].text
