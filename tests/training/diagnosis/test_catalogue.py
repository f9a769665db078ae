"""The catalogue explains what the engine measures, and every threshold says where it comes from."""

from __future__ import annotations

import pytest

from training.diagnosis import thresholds
from training.diagnosis.catalogue import MEASURES, measures_of
from training.diagnosis.thresholds import Threshold

MEASURED = """
train/loss train/ranking_accuracy train/implicit_reward_accuracy train/margin_gain train/undesirable_share
train/grad_norm train/learning_rate held_out/loss held_out/ranking_accuracy held_out/ranking_accuracy_per_token
held_out/reference_ranking_accuracy held_out/implicit_reward_accuracy held_out/margin held_out/margin_gain
held_out/undesirable_share held_out/pessimistic_share held_out/contradicted_share held_out/chosen_displacement
held_out/chosen_displacement_per_token own/kl own/kl_low own/kl_high own/kl_k3 own/length own/length_ratio own/entropy
own/distinct_2 own/repetition own/markup_share own/opening_share own/truncated_share own/score rollout/score
rollout/reward rollout/kl rollout/length rollout/truncated_share rollout/clipped_share rollout/zero_spread_share
rollout/clip_share rollout/ratio_max rollout/sampler_gap rollout/entropy rollout/explained_variance rollout/term_length
reward_held_out/accuracy reward_held_out/accuracy_longer_chosen reward_held_out/ece reward_held_out/ece_by_chance
reward_held_out/brier reward_held_out/log_loss reward_held_out/temperature reward_held_out/length_correlation
reward_held_out/longer_preferred reward_held_out/longer_chosen reward_held_out/disagreement reward_held_out/member_gap
reward_held_out/margin reward/loss reward/accuracy reward/margin reward_held_out/loss reward_held_out/contradicted_share
reward/grad_norm reward/learning_rate held_out/reference_ranking_accuracy_per_token held_out/rejected_displacement
held_out/rejected_displacement_per_token
"""


@pytest.mark.parametrize("name", MEASURED.split())
def test_what_is_measured_is_explained(name):
    assert measures_of([name])


def test_every_measure_is_found_by_its_key_alone():
    assert len({measure.key for measure in MEASURES}) == len(MEASURES)


def test_a_threshold_without_a_source_is_a_heuristic():
    assert Threshold(0.05, "above", unit="share").kind == "heuristic"
    assert thresholds.RANKING_ACCURACY.kind == "literature"


@pytest.mark.parametrize(
    "threshold, text",
    [
        (Threshold(0.05, "above", unit="share"), "above 5 %"),
        (Threshold(-0.1, "below"), "below -0.1"),
        (Threshold(0.5, "below", unit="share", of="of its start"), "below 50 % of its start"),
    ],
)
def test_a_threshold_in_words(threshold, text):
    assert threshold.text == text


def test_a_relative_threshold_is_no_height_on_a_chart():
    assert Threshold(1.25, "above").on_chart
    assert not Threshold(1.25, "above", of="times its start").on_chart


def test_a_share_of_pairs_and_a_distance_of_scores_share_no_threshold():
    assert [m.key for m in measures_of(["reward_held_out/member_gap"])] == ["member_gap"]
    assert measures_of(["reward_held_out/member_gap"])[0].thresholds == ()


def test_every_threshold_is_shown_with_some_measure():
    shown = {threshold for measure in MEASURES for threshold in measure.thresholds}
    stated = {value for value in vars(thresholds).values() if isinstance(value, Threshold)}
    assert stated == shown
