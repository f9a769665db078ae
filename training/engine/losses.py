"""The losses and estimators of all methods: pure functions of tensors, unreduced, one value per pair or answer.

Notation as in the papers: delta = log pi(y_w|x) - log pi(y_l|x), for the policy (`policy_margin`) and the reference
(`reference_margin`); log-probabilities are sums over the answer's tokens, in nats, unless length-normalised.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dpo(policy_margin: Tensor, reference_margin: Tensor, *, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Direct Preference Optimization; conservative when `label_smoothing` is above 0.

    Shapes: both margins [n]; returns [n].
    Source: Rafailov et al., arXiv 2305.18290, eq. 7; smoothing as in Mitchell's note on conservative DPO, eq. 3.
    """
    z = beta * (policy_margin - reference_margin)
    return _smoothed_log_loss(z, label_smoothing)


def constrained_cpo(
    policy_margin: Tensor, target_margin: Tensor, *, beta: float, label_smoothing: float = 0.0
) -> Tensor:
    """Constrained Preference Optimization: DPO whose target is never too low.

    `target_margin` [n] comes from `hard_target` or `smooth_target`; returns [n].
    L = -log sigma(beta (delta_theta - target)). With the hard floor m the target is max(delta_ref, m), which follows
    from maximising E[r] - beta KL under log pi(y_w) >= log pi(y_l) + m (conservative case, reward gap unknown);
    m = 0 is the published `clip` branch, m -> -inf is DPO. Source: arXiv 2605.20834 and its authors' code.
    """
    z = beta * (policy_margin - target_margin)
    return _smoothed_log_loss(z, label_smoothing)


def hard_target(reference_margin: Tensor, *, floor: float) -> Tensor:
    """max(delta_ref, m) [n]: the chosen answer must end at least e^m times as likely as the rejected one."""
    return reference_margin.clamp(min=floor)


def smooth_target(reference_margin: Tensor, *, gamma: float, tau: float, alpha: float) -> Tensor:
    """delta_ref + softplus(tau (gamma - delta_ref)) / (tau alpha) [n], the published smooth branch.

    For alpha = 1 it is a smooth max(delta_ref, gamma) that sharpens as tau grows. softplus instead of the published
    log(1 + exp(.)), which overflows in fp32 from tau (gamma - delta_ref) = 89 on.
    """
    return reference_margin + F.softplus(tau * (gamma - reference_margin)) / (tau * alpha)


def bradley_terry(
    chosen_reward: Tensor,
    rejected_reward: Tensor,
    *,
    centring: float = 0.0,
    margin: Tensor | float = 0.0,
    label: Tensor | float = 1.0,
) -> Tensor:
    """Negative log-likelihood that the better answer wins by its margin, plus a pull of the rewards around zero.

    Shapes: rewards [n]; `margin` and `label`, P(the chosen answer is the better one), [n] or a number; returns [n].
    L = -log sigma(r_w - r_l - m) + c (r_w + r_l)^2.
    Source: Bradley and Terry 1952; margin from Touvron et al., arXiv 2307.09288, eq. 2; centring from Eisenstein et
    al., arXiv 2312.09244, sec. 2.
    """
    gap = chosen_reward - rejected_reward
    likelihood = expected_over_label(-F.logsigmoid(gap - margin), -F.logsigmoid(-gap - margin), label)
    return likelihood + centring * (chosen_reward + rejected_reward).square()


def expected_over_label(right: Tensor, flipped: Tensor, label: Tensor | float) -> Tensor:
    """p L(pair) + (1 - p) L(swapped pair) [n]: the loss where the label is right with probability p."""
    return label * right + (1 - label) * flipped


def _smoothed_log_loss(z: Tensor, label_smoothing: float) -> Tensor:
    """-(1 - e) log sigma(z) - e log sigma(-z) [n]; minimal at z = log((1 - e) / e)."""
    loss = -(1 - label_smoothing) * F.logsigmoid(z)
    if label_smoothing == 0.0:
        return loss
    return loss - label_smoothing * F.logsigmoid(-z)


def weighted_mean(values: Tensor, weights: Tensor, total_weight: float) -> Tensor:
    """The contribution of these rows to a mean over rows whose weights add up to `total_weight`; a scalar."""
    return torch.dot(values, weights) / total_weight
