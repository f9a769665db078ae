"""Constrained Preference Optimization (arXiv 2605.20834): DPO with a floor under the reference's margin.

Where the reference ranks a pair wrongly, DPO is content with less wrong; here the target is at least the floor.
Other methods are called CPO too: contrastive (arXiv 2401.08417) has no reference, and constrained policy
optimization is about safe exploration. Left out of the authors' code: the `easy` branch, whose sign is wrong there.
"""

from __future__ import annotations

from torch import Tensor

from training.config import CPOConfig
from training.engine import losses
from training.engine.diagnostics import margins
from training.engine.pairwise import train_on_pairs
from training.engine.run import Run


def train(run: Run) -> None:
    """Train and write the artifact; raises EngineError or Stopped."""
    config = run.spec.config
    assert isinstance(config, CPOConfig)

    def pair_loss(log_probs: Tensor, reference: Tensor, lengths: Tensor) -> Tensor:
        if config.length_normalised:
            log_probs, reference = log_probs / lengths, reference / lengths
        return losses.constrained_cpo(
            margins(log_probs),
            target_margin(margins(reference), config),
            beta=config.beta,
            label_smoothing=config.label_smoothing,
        )

    train_on_pairs(run, pair_loss)


def target_margin(reference_margin: Tensor, config: CPOConfig) -> Tensor:
    """The margin that a pair's policy margin is compared with [n]."""
    if config.margin == "hard":
        return losses.hard_target(reference_margin, floor=config.floor)
    return losses.smooth_target(reference_margin, gamma=config.gamma, tau=config.tau, alpha=config.alpha)
