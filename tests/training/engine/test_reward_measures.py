"""Measures of a reward model on held-out pairs, by hand-derived numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.config import RewardModelConfig
from training.engine.packing import Example
from training.engine.reward_measures import disagreement, held_out_measures, length_measures, pair_loss, ranking

LOG_3 = math.log(3)


def pair(
    chosen: int = 2, rejected: int = 2, *, label: float = 1.0, margin: float = 0.0, weight: float = 1.0
) -> Example:
    """A pair whose answers have these numbers of tokens."""
    return Example((1,), ((2,) * chosen, (3,) * rejected), weight, label, margin)


def config(**settings: float) -> RewardModelConfig:
    return RewardModelConfig(centring=0.0, **settings)


def test_the_loss_of_a_pair_is_that_of_bradley_terry_with_centring():
    """Gap log 3: -log(3/4) = 0.28768; sum log 3: centring 0.01 * 1.0986^2 = 0.01207."""
    [loss] = pair_loss(torch.tensor([[LOG_3, 0.0]]), [pair()], RewardModelConfig(centring=0.01))
    assert float(loss) == pytest.approx(0.28768 + 0.01207, abs=1e-5)


def test_a_margin_counts_only_when_it_is_asked_for():
    """Gap log 3 less margin log 3: -log(1/2); without the margin -log(3/4)."""
    scores, pairs = torch.tensor([[LOG_3, 0.0]]), [pair(margin=LOG_3)]
    assert float(pair_loss(scores, pairs, config(use_margin=True))) == pytest.approx(math.log(2))
    assert float(pair_loss(scores, pairs, config())) == pytest.approx(-math.log(3 / 4))


def test_a_soft_label_mixes_both_orders():
    """-(0.9) log(3/4) - (0.1) log(1/4) = 0.25891 + 0.13863 = 0.39754."""
    [loss] = pair_loss(torch.tensor([[LOG_3, 0.0]]), [pair(label=0.9)], config())
    assert float(loss) == pytest.approx(0.39754, abs=1e-5)


def test_training_pairs_are_judged_by_their_labels_as_held_out_ones_are():
    """Labels 0.7, 0.7 and 1, scored right, wrong and alike: 0.7, 0.3 and 0.5. Were the training pairs counted by
    which answer is called chosen, soft labels alone would open a gap to the held-out ones."""
    scores = torch.tensor([[LOG_3, 0.0], [0.0, LOG_3], [1.0, 1.0]])
    pairs = [pair(label=0.7), pair(label=0.7), pair()]
    found = ranking(scores, pairs)
    assert found["accuracy"].tolist() == pytest.approx([0.7, 0.3, 0.5])
    expected = held_out_measures(scores, pairs, config())
    assert {name: float(values.mean()) for name, values in found.items()} == pytest.approx(
        {name: expected[name] for name in found}
    )


def test_loss_accuracy_and_margin_are_weighted_and_calibration_is_not():
    """Right by log 3 with weight 3, wrong by log 3 with weight 1.

    Accuracy 3/4, margin (3 - 1) log 3 / 4; unweighted: two pairs at confidence 3/4, one right, so an error of 1/4.
    """
    scores, pairs = torch.tensor([[LOG_3, 0.0], [0.0, LOG_3]]), [pair(weight=3), pair(weight=1)]
    values = held_out_measures(scores, pairs, config())
    assert values["accuracy"] == pytest.approx(0.75)
    assert values["margin"] == pytest.approx(LOG_3 / 2)
    assert values["loss"] == pytest.approx(-(3 * math.log(3 / 4) + math.log(1 / 4)) / 4)
    assert values["ece"] == pytest.approx(0.25)
    assert values["log_loss"] == pytest.approx(-(math.log(3 / 4) + math.log(1 / 4)) / 2)


def test_without_held_out_pairs_nothing_is_measured():
    assert held_out_measures(torch.empty(0, 2), [], config()) == {}


def test_a_model_that_only_counts_tokens_is_seen_through():
    """Score = length. Labels: the longer is better in 2 of 3 pairs of unequal length; the model always says so."""
    lengths = np.array([[5, 3], [4, 2], [1, 6], [2, 2]])
    values = length_measures(lengths.astype(float), lengths, np.ones(4))
    assert values["length_correlation"] == pytest.approx(1)
    assert (values["longer_chosen"], values["longer_preferred"]) == pytest.approx((2 / 3, 1))
    assert (values["accuracy_longer_chosen"], values["accuracy_shorter_chosen"]) == (1, 0)


def test_where_the_longer_is_always_chosen_there_is_no_accuracy_on_the_others():
    lengths = np.array([[5, 3]])
    values = length_measures(lengths.astype(float), lengths, np.ones(1))
    assert "accuracy_shorter_chosen" not in values


def test_disagreement_of_two_members():
    """Ranked differently in 1 of 4; |2 - 1|, |-1 - 1|, |3 - 3|, |0.5 - 1|: mean 3.5 / 4."""
    values = disagreement([np.array([2.0, -1, 3, 0.5]), np.array([1.0, 1, 3, 1])])
    assert values == {"disagreement": 0.25, "member_gap": pytest.approx(0.875)}


def test_disagreement_of_three_members_is_the_mean_over_their_pairs():
    """Of (1, 2), (1, 3), (2, 3) the last two differ on the only pair: 2/3."""
    values = disagreement([np.array([1.0]), np.array([1.0]), np.array([-1.0])])
    assert values == {"disagreement": pytest.approx(2 / 3), "member_gap": pytest.approx(4 / 3)}
