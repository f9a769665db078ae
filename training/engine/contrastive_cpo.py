"""Contrastive Preference Optimization (arXiv 2401.08417): DPO without a reference, plus likelihood of the chosen.

The likelihood term is what holds the policy. The paper writes it per answer; the authors' code and TRL average over
all tokens of a batch, which depends on what else is in it: here it is the mean over each answer's tokens.
"""

from __future__ import annotations

from torch import Tensor

from training.config import ContrastiveCPOConfig
from training.engine import losses
from training.engine.pairwise import Pairs, train_on_pairs
from training.engine.run import Run


def train(run: Run) -> None:
    """Train and write the artifact; raises EngineError or Stopped."""
    config = run.spec.config
    assert isinstance(config, ContrastiveCPOConfig)
    train_on_pairs(run, lambda pairs: pair_loss(pairs, config))


def pair_loss(pairs: Pairs, config: ContrastiveCPOConfig) -> Tensor:
    """Preference term on summed log-probabilities plus the likelihood term [n]."""
    label = losses.smoothed(pairs.labels, config.label_smoothing)
    likely = pairs.per_token() if config.nll_per == "token" else pairs
    preference = losses.contrastive_cpo(pairs.margins, beta=config.beta, label=label)
    return preference + config.nll_weight * losses.negative_log_likelihood(likely.log_probs, label)
