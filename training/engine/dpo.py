"""Direct Preference Optimization: a pair's log-ratio is pushed up relative to the reference's.

Conservative (label smoothing), robust, IPO and length-normalised variants; a likelihood term if wanted. The last is
per token of each answer and then over pairs, so that long answers do not outweigh the preference term. TRL averages
over all tokens of a batch, and its sigmoid loss ignores label smoothing.
"""

from __future__ import annotations

from torch import Tensor

from training.config import DPOConfig
from training.engine import losses
from training.engine.pairwise import Pairs, train_on_pairs
from training.engine.run import Run


def train(run: Run) -> None:
    """Train and write the artifact; raises EngineError or Stopped."""
    config = run.spec.config
    assert isinstance(config, DPOConfig)
    if config.loss == "robust":
        run.events.notice("The robust loss has no lower bound and may fall below 0: judge by the held-out accuracies.")
    train_on_pairs(run, lambda pairs: pair_loss(pairs, config))


def pair_loss(pairs: Pairs, config: DPOConfig) -> Tensor:
    """The configured variant [n]."""
    means = pairs.per_token()
    scored = means if config.length_normalised or config.loss == "ipo" else pairs
    preference = losses.ipo if config.loss == "ipo" else losses.dpo
    likely = label = losses.smoothed(pairs.labels, config.label_smoothing)
    if config.loss == "robust":
        # Corrected labels would make rejected answers less likely without bound: that term takes labels as given.
        likely, label = pairs.labels, losses.corrected(pairs.labels, config.label_smoothing)
    loss = preference(scored.margins, scored.reference_margins, beta=config.beta, label=label)
    return loss + config.nll_weight * losses.negative_log_likelihood(means.log_probs, likely)
