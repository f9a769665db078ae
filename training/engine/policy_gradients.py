"""Advantages and losses of the policy-gradient methods: pure functions of tensors, unreduced.

Rewards and log-probabilities are those of sampled answers; everything that multiplies a log-probability is a constant
(detached), so that the gradient is the policy gradient and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def rloo_advantages(rewards: Tensor) -> Tensor:
    """Each answer's reward minus the mean reward of the other answers to the same prompt.

    Shapes: [prompts, group] -> [prompts, group], group >= 2. A_i = r_i - mean_{j != i} r_j.
    Source: Ahmadian et al., arXiv 2402.14740, eq. 8.
    """
    others = rewards.shape[1] - 1
    return rewards - (rewards.sum(dim=1, keepdim=True) - rewards) / others


def grpo_advantages(rewards: Tensor) -> Tensor:
    """Each answer's reward in standard deviations above the mean of its prompt's answers.

    Shapes: [prompts, group] -> [prompts, group]. A_i = (r_i - mean) / (std + 1e-4), std with n - 1 as in the common
    implementations; the constant keeps groups whose rewards hardly differ from being blown up.
    Source: Shao et al., arXiv 2402.03300, sec. 4.1.2.
    """
    return dr_grpo_advantages(rewards) / (rewards.std(dim=1, keepdim=True) + 1e-4)


def dr_grpo_advantages(rewards: Tensor) -> Tensor:
    """Each answer's reward minus the mean of its prompt's answers, its own included; [prompts, group] both.

    Not divided by the spread, which would favour prompts that are almost always or almost never answered well.
    Source: Liu et al., arXiv 2503.20783, sec. 3.2.
    """
    return rewards - rewards.mean(dim=1, keepdim=True)


def generalised_advantages(
    rewards: Tensor, values: Tensor, lengths: Sequence[int], *, discount: float, gae_lambda: float
) -> Tensor:
    """Generalised advantage estimates of every token, answers laid end to end; all [tokens].

    delta_t = r_t + gamma V_{t+1} - V_t with V = 0 after an answer's last token; A_t = delta_t + gamma lambda A_{t+1}.
    Adding V gives the returns that the value head learns. Source: Schulman et al., arXiv 1506.02438, eq. 16.
    """
    columns, rows = max(lengths), len(lengths)
    taken = torch.arange(columns, device=rewards.device) < torch.tensor(lengths, device=rewards.device)[:, None]
    r, v = (rewards.new_zeros(rows, columns).masked_scatter(taken, flat) for flat in (rewards, values))
    advantages = torch.zeros_like(r)
    later = next_value = r.new_zeros(rows)
    for t in reversed(range(columns)):
        delta = r[:, t] + discount * next_value - v[:, t]
        later = torch.where(taken[:, t], delta + discount * gae_lambda * later, 0.0)
        next_value = v[:, t]
        advantages[:, t] = later
    return advantages[taken]


def whitened(values: Tensor) -> Tensor:
    """Shifted and scaled to mean 0 and standard deviation 1; values that are all equal become 0."""
    return (values - values.mean()) / (values.std(correction=0) + 1e-8)


def reinforce(log_probs: Tensor, advantages: Tensor) -> Tensor:
    """-A log pi per answer or per token [n]; its gradient is the policy gradient, the advantage being a constant.

    The clipped surrogate has the same gradient where the ratio is 1, that is on weights that drew the answers.
    """
    return -advantages.detach() * log_probs


def clipped_surrogate(log_ratio: Tensor, advantages: Tensor, *, clip_range: float) -> Tensor:
    """-min(rho A, clip(rho, 1 - e, 1 + e) A) per answer or per token [n], rho = exp(log_ratio).

    Without gradient where rho has left the range in the direction in which the advantage pushes.
    Source: Schulman et al., arXiv 1707.06347, eq. 7.
    """
    ratio, fixed = log_ratio.exp(), advantages.detach()
    return -torch.minimum(ratio * fixed, ratio.clamp(1 - clip_range, 1 + clip_range) * fixed)


def clipped(log_ratio: Tensor, advantages: Tensor, *, clip_range: float) -> Tensor:
    """Where `clipped_surrogate` has no gradient, as booleans [n]."""
    ratio = log_ratio.exp()
    return ((ratio > 1 + clip_range) & (advantages > 0)) | ((ratio < 1 - clip_range) & (advantages < 0))


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, *, value_clip: float) -> Tensor:
    """max((V - R)^2, (V_clipped - R)^2) / 2 per token [n]; V_clipped is within `value_clip` of the old value.

    The larger of the two: a value that has moved further than allowed is pushed no further, but may come back.
    Source: Schulman et al., arXiv 1707.06347, code released with it.
    """
    near = old_values + (values - old_values).clamp(-value_clip, value_clip)
    return torch.maximum((values - returns).square(), (near - returns).square()) / 2


def explained_variance(values: Tensor, returns: Tensor) -> Tensor:
    """1 - Var(R - V) / Var(R): 1 for a value head that knows the returns, 0 for one that knows nothing; a scalar.

    0 too where the returns do not vary: there is nothing to explain, and one such step would drown its whole curve.
    """
    variance = returns.var(correction=0)
    explained = 1 - (returns - values).var(correction=0) / variance.clamp(min=1e-8)
    return torch.where(variance > 1e-8, explained, 0.0)


def truncated_weights(trainer_log_probs: Tensor, sampler_log_probs: Tensor, *, cap: float) -> Tensor:
    """min(pi(t) / mu(t), cap) per token [tokens], detached: what makes samples of mu count as those of pi.

    mu is the sampler, which computes the same weights a little differently; the cap bounds the variance.
    Source: Yao et al., "Your efficient RL framework secretly brings you off-policy RL training", 2025, eq. 3 (TIS).
    """
    return (trainer_log_probs - sampler_log_probs).exp().clamp(max=cap).detach()


def k1_kl(policy_log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """log pi - log pi_ref per sampled answer or token [n]: unbiased for KL(pi || pi_ref) in sum, detached.

    It belongs in the reward: there its gradient is that of the reverse KL, while k1 as a loss has none in
    expectation (arXiv 2510.01555).
    """
    return (policy_log_probs - reference_log_probs).detach()
