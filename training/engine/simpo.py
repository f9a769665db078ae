"""SimPO (arXiv 2405.14734): mean log-probabilities, no reference, a target margin; CPO-SimPO with a likelihood term.

Label smoothing swaps the answers and keeps the margin for whichever is the better one. TRL's flips the whole
argument of the sigmoid instead, so that a flipped pair would have to miss the margin.
"""

from __future__ import annotations

from torch import Tensor

from training.config import SimPOConfig
from training.engine import losses
from training.engine.pairwise import Pairs, train_on_pairs
from training.engine.run import Run


def train(run: Run) -> None:
    """Train and write the artifact; raises EngineError or Stopped."""
    config = run.spec.config
    assert isinstance(config, SimPOConfig)
    train_on_pairs(run, lambda pairs: pair_loss(pairs, config))


def pair_loss(pairs: Pairs, config: SimPOConfig) -> Tensor:
    """Both terms on means over tokens [n]."""
    means = pairs.per_token()
    label = losses.smoothed(pairs.labels, config.label_smoothing)
    preference = losses.simpo(means.margins, beta=config.beta, gamma=config.gamma, label=label)
    return preference + config.nll_weight * losses.negative_log_likelihood(means.log_probs, label)
