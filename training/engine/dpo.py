"""Direct Preference Optimization: a pair's log-ratio is pushed up relative to the reference's."""

from __future__ import annotations

from torch import Tensor

from training.config import DPOConfig
from training.engine import losses
from training.engine.diagnostics import margins
from training.engine.pairwise import train_on_pairs
from training.engine.run import Run


def train(run: Run) -> None:
    """Train and write the artifact; raises EngineError or Stopped."""
    config = run.spec.config
    assert isinstance(config, DPOConfig)

    def pair_loss(log_probs: Tensor, reference: Tensor, lengths: Tensor) -> Tensor:
        return losses.dpo(
            margins(log_probs), margins(reference), beta=config.beta, label_smoothing=config.label_smoothing
        )

    train_on_pairs(run, pair_loss)
