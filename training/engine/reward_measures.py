"""What is measured of a reward model on held-out pairs: ranking, calibration, length, agreement of its members.

The names of the values are the metrics `reward_held_out/<name>`. Probabilities are sigma(raw gap), at temperature 1,
which is what training assumed; `temperature` is what would fit better. Calibration counts every pair once; loss,
accuracy and margin are weighted as in training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.config import RewardModelConfig
from training.engine import calibration, losses
from training.engine.packing import Example
from training.engine.reward_artifacts import RewardModel

Array = NDArray[np.float64]


@torch.no_grad()
def raw_pair_scores(model: RewardModel, pairs: Sequence[Example], tokens_per_pass: int) -> Tensor:
    """Raw scores [pairs, 2] of the model's first member, chosen first, on the CPU."""
    parts = model.body.passes(pairs, tokens_per_pass)
    scores = [model.raw_scores(model.body.collate([pairs[i] for i in part])).view(-1, 2).cpu() for part in parts]
    return torch.cat(scores) if scores else torch.empty(0, 2)


def pair_loss(scores: Tensor, pairs: Sequence[Example], config: RewardModelConfig) -> Tensor:
    """The training loss of each pair [n]; raw scores [n, 2], chosen first."""
    columns = [(pair.label, pair.margin if config.use_margin else 0.0) for pair in pairs]
    label, margin = torch.tensor(columns, device=scores.device).unbind(1)
    chosen, rejected = scores.unbind(1)
    return losses.bradley_terry(chosen, rejected, centring=config.centring, margin=margin, label=label)


def ranking(scores: Tensor, pairs: Sequence[Example]) -> dict[str, Tensor]:
    """Accuracy and margin of each pair [n], of raw scores [n, 2], as `held_out_measures` means them: by the label."""
    gaps = scores[:, 0] - scores[:, 1]
    right = torch.heaviside(gaps, gaps.new_tensor(0.5))  # a tie is right half the time
    labels = gaps.new_tensor([pair.label for pair in pairs])
    return {"accuracy": losses.expected_over_label(right, 1 - right, labels), "margin": gaps}


def held_out_measures(scores: Tensor, pairs: Sequence[Example], config: RewardModelConfig) -> dict[str, float]:
    """Every measure of one member; raw scores [n, 2], chosen first. Nothing where there are no pairs."""
    if not pairs:
        return {}
    weights = np.array([pair.weight for pair in pairs])
    labels = np.array([pair.label for pair in pairs])
    lengths = np.array([[len(answer) for answer in pair.answers] for pair in pairs])
    raw = scores.double().numpy()
    gaps = raw[:, 0] - raw[:, 1]
    return {
        "loss": float(np.average(pair_loss(scores, pairs, config).numpy(), weights=weights)),
        "accuracy": float(np.average(calibration.correctness(gaps, labels), weights=weights)),
        "margin": float(np.average(gaps, weights=weights)),
        "ece": calibration.expected_calibration_error(gaps, labels),
        "ece_by_chance": calibration.calibration_error_by_chance(gaps),
        "brier": calibration.brier(gaps, labels),
        "log_loss": calibration.log_loss(gaps, labels),
        "temperature": calibration.fit_temperature(gaps, labels),
        **length_measures(raw, lengths, labels),
    }


def length_measures(scores: Array, lengths: NDArray[np.int64], labels: Array) -> dict[str, float]:
    """How far length explains the scores, beside how far it explains the labels; scores and lengths [n, 2].

    Pairs of equal length say nothing about it and are left out of all but the correlation.
    """
    values = {"length_correlation": calibration.correlation(scores.ravel(), lengths.ravel())}
    gaps, longer = scores[:, 0] - scores[:, 1], np.sign(lengths[:, 0] - lengths[:, 1])
    unequal = longer != 0
    if unequal.any():
        longer_better = np.where(longer > 0, labels, 1 - labels)[unequal]
        values["longer_chosen"] = float(longer_better.mean())
        values["longer_preferred"] = float(np.mean((np.sign(gaps * longer)[unequal] + 1) / 2))
    for name, of_these in {"longer": longer > 0, "shorter": longer < 0}.items():
        if of_these.any():
            values[f"accuracy_{name}_chosen"] = calibration.accuracy(gaps[of_these], labels[of_these])
    return values


def disagreement(gaps: Sequence[Array]) -> dict[str, float]:
    """Between the members' calibrated gaps [n] each: share of pairs ranked differently, mean absolute difference.

    Means over all pairs of members, in standard deviations of each member's own scores.
    """
    others = [(first, second) for i, first in enumerate(gaps) for second in gaps[i + 1 :]]
    return {
        "disagreement": float(np.mean([np.mean(np.sign(a) != np.sign(b)) for a, b in others])),
        "member_gap": float(np.mean([np.mean(np.abs(a - b)) for a, b in others])),
    }
