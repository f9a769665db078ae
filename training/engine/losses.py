"""The losses of the pair methods: pure functions of tensors, unreduced, one value per pair.

Notation as in the papers: delta = log pi(y_w|x) - log pi(y_l|x), for the policy (`policy_margin`) and the reference
(`reference_margin`), both [n]; log-probabilities are sums over the answer's tokens, in nats, unless a line says means.

A label p, [n] or a number, is P(the chosen answer is the better one). Every loss is the expectation over it,
p L(pair) + (1 - p) L(pair with its answers swapped), so p = 1 is the plain loss, and 1 - p of the swapped pair gives
the same value as p. An assumed flip rate enters through the label: `smoothed` is what conservative DPO does,
`corrected` what robust DPO does. Nothing overflows: sigmoids and maxima are taken by log-sigmoid and softplus.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

Label = Tensor | float
L = TypeVar("L", Tensor, float)


def expected_over_label(right: Tensor, flipped: Tensor, label: Label) -> Tensor:
    """p L(pair) + (1 - p) L(swapped pair) [n]: the loss where the label is right with probability p."""
    return label * right + (1 - label) * flipped


def smoothed(label: L, flip_rate: float) -> L:
    """p (1 - e) + (1 - p) e: the label as it looks after someone flipped a share e of them.

    For p = 1 the loss is that of conservative DPO (Mitchell, "A note on DPO with noisy preferences", 2023, eq. 3).
    """
    return label * (1 - flip_rate) + (1 - label) * flip_rate


def corrected(label: L, flip_rate: float) -> L:
    """(p - e) / (1 - 2 e): the label as it was before someone flipped a share e of them; undoes `smoothed`.

    For p = 1 the loss is [(1 - e) L(pair) - e L(swapped pair)] / (1 - 2 e), whose mean over such flips is the loss of
    the true labels: robust DPO, Chowdhury et al., arXiv 2403.00409. The result exceeds 1, so the loss has no lower
    bound: at z = 20 and e = 0.1 it is -2.5. It is no measure of progress; stop by held-out measures.
    """
    return (label - flip_rate) / (1 - 2 * flip_rate)


def dpo(policy_margin: Tensor, reference_margin: Tensor, *, beta: float, label: Label = 1.0) -> Tensor:
    """Direct Preference Optimization [n]: -log sigma(z), z = beta (delta_theta - delta_ref).

    Source: Rafailov et al., arXiv 2305.18290, eq. 7. With means for sums it is the length-normalised variant.
    """
    return _log_loss(beta * (policy_margin - reference_margin), label)


def ipo(policy_margin: Tensor, reference_margin: Tensor, *, beta: float, label: Label = 1.0) -> Tensor:
    """Identity Preference Optimization [n]: (delta_theta - delta_ref - 1 / (2 beta))^2, on means per token.

    Source: Azar et al., arXiv 2310.12036, eq. 17; that the log-ratios are means is what its authors told TRL's.
    """
    gap, wanted = policy_margin - reference_margin, 1 / (2 * beta)
    return expected_over_label((gap - wanted).square(), (-gap - wanted).square(), label)


def constrained_cpo(
    policy_margin: Tensor,
    reference_margin: Tensor,
    *,
    beta: float,
    floor: float,
    tau: float = math.inf,
    alpha: float = 1.0,
    reward_gap: Tensor | float = 0.0,
    label: Label = 1.0,
) -> Tensor:
    """Constrained Preference Optimization [n]: -log sigma(beta (delta_theta - `constrained_target`)).

    `reward_gap` [n] is the log-odds that the chosen answer wins under a reward model, 0 where none is asked. A
    swapped pair has the target of that pair, so its floor holds in the other direction.
    Source: arXiv 2605.20834 and its authors' code; what the floor m follows from is derived at the target.
    """
    target, swapped_target = (
        constrained_target(sign * reference_margin, sign * reward_gap / beta, floor=floor, tau=tau, alpha=alpha)
        for sign in (1, -1)
    )
    right = -F.logsigmoid(beta * (policy_margin - target))
    flipped = -F.logsigmoid(beta * (-policy_margin - swapped_target))
    return expected_over_label(right, flipped, label)


def constrained_target(
    reference_margin: Tensor, credit: Tensor | float = 0.0, *, floor: float, tau: float = math.inf, alpha: float = 1.0
) -> Tensor:
    """delta_ref + max(0, m - delta_ref - credit) [n], the maximum softened to softplus(tau x) / (tau alpha).

    Maximising E[r] - beta KL under log pi(y_w) >= log pi(y_l) + m is convex, with a multiplier lambda >= 0 per pair;
    its optimum has delta = delta_ref + [gap + max(0, beta (m - delta_ref) - gap)] / beta. Put into Bradley-Terry, the
    loss is -log sigma(beta (delta_theta - delta_ref) - max(0, beta (m - delta_ref) - gap)) with credit = gap / beta.
    Without a reward model the gap is only known to be >= 0, and the worst case gives max(delta_ref, m).

    m -> -inf is DPO; m = 0 with tau = inf the published `clip` branch, also known as HyPO (arXiv 2602.11902); a finite
    tau with m = gamma the published smooth branch, by softplus where log(1 + exp(.)) would overflow in fp32 from
    tau x = 89 on. alpha below 1 asks for more than the floor.
    """
    missing = floor - reference_margin - credit
    lift = missing.clamp(min=0) if math.isinf(tau) else F.softplus(tau * missing) / tau
    return reference_margin + lift / alpha


def contrastive_cpo(policy_margin: Tensor, *, beta: float, label: Label = 1.0) -> Tensor:
    """Contrastive Preference Optimization without its likelihood term [n]: -log sigma(beta delta_theta).

    DPO with a uniform reference. Source: Xu et al., arXiv 2401.08417, sec. 3; add `negative_log_likelihood`.
    """
    return _log_loss(beta * policy_margin, label)


def simpo(policy_margin: Tensor, *, beta: float, gamma: float, label: Label = 1.0) -> Tensor:
    """Simple Preference Optimization [n]: -log sigma(beta delta_theta - gamma), delta_theta of means per token.

    Source: Meng et al., arXiv 2405.14734, eq. 6. The margin gamma is demanded of whichever answer is the better one.
    """
    z = beta * policy_margin
    return expected_over_label(-F.logsigmoid(z - gamma), -F.logsigmoid(-z - gamma), label)


def negative_log_likelihood(log_probs: Tensor, label: Label = 1.0) -> Tensor:
    """-log pi(y_w|x) [n] of log-probabilities [n, 2], chosen first; sums or means, as they are given."""
    return expected_over_label(-log_probs[:, 0], -log_probs[:, 1], label)


def bradley_terry(
    chosen_reward: Tensor,
    rejected_reward: Tensor,
    *,
    centring: float = 0.0,
    margin: Tensor | float = 0.0,
    label: Label = 1.0,
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


def _log_loss(z: Tensor, label: Label) -> Tensor:
    return expected_over_label(-F.logsigmoid(z), -F.logsigmoid(-z), label)


def weighted_mean(values: Tensor, weights: Tensor, total_weight: float) -> Tensor:
    """The contribution of these rows to a mean over rows whose weights add up to `total_weight`; a scalar."""
    return torch.dot(values, weights) / total_weight
