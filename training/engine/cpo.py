"""Constrained Preference Optimization (arXiv 2605.20834): DPO with a floor under the reference's margin.

Where the reference ranks a pair wrongly, DPO is content with less wrong; here the target is at least the floor.
Other methods are called CPO too: contrastive (arXiv 2401.08417) has no reference, and constrained policy
optimization is about safe exploration. Left out of the authors' code: the `easy` branch, whose sign is wrong there.
A wrong label is pushed harder than by DPO, so noisy data wants label smoothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from training.config import CPOConfig
from training.engine import losses
from training.engine.errors import EngineError
from training.engine.packing import Example
from training.engine.pairwise import Pairs, train_on_pairs
from training.engine.policy import load_policy
from training.engine.reward_artifacts import load_reward_model
from training.engine.run import Run

STAGE = "scoring the pairs with the reward model"


def train(run: Run) -> None:
    """Train and write the artifact; raises EngineError or Stopped."""
    config = run.spec.config
    assert isinstance(config, CPOConfig)
    train_on_pairs(run, lambda pairs: pair_loss(pairs, config), reward_gaps if config.reward_margin else None)


def pair_loss(pairs: Pairs, config: CPOConfig) -> Tensor:
    """The configured variant [n]."""
    scored = pairs.per_token() if config.length_normalised else pairs
    hard = config.margin == "hard"
    return losses.constrained_cpo(
        scored.margins,
        scored.reference_margins,
        beta=config.beta,
        floor=config.floor if hard else config.gamma,
        tau=math.inf if hard else config.tau,
        alpha=1.0 if hard else config.alpha,
        reward_gap=pairs.reward_gaps,
        label=losses.smoothed(pairs.labels, config.label_smoothing),
    )


@torch.no_grad()
def reward_gaps(run: Run, pairs: Sequence[Example]) -> Tensor:
    """Log-odds that each pair's chosen answer wins under the run's reward model [pairs].

    Raises EngineError when the run names no reward model or one that does not fit its base.
    """
    if not run.spec.reward_model_path:
        raise EngineError(
            "Constrained CPO is to credit pairs with a reward model's gap, but the run names no reward model.",
            "Choose a reward model, or switch reward_margin off.",
        )
    base = load_policy(run.spec.model_path, run.training)
    model = load_reward_model(Path(run.spec.reward_model_path), base, every_member=False)
    gaps = []
    for part in run.watched(STAGE, model.body.passes(pairs, run.training.tokens_per_pass)):
        batch = model.body.collate([pairs[i] for i in part])
        chosen, rejected = model.scores(batch).view(-1, 2).cpu().unbind(1)
        gaps.append(model.log_odds(chosen - rejected))
    return torch.cat(gaps)
