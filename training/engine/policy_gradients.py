"""Advantages and losses of the policy-gradient methods: pure functions of tensors, unreduced.

Rewards and log-probabilities are those of sampled answers; everything that multiplies a log-probability is a constant
(detached), so that the gradient is the policy gradient and nothing else.
"""

from __future__ import annotations

from torch import Tensor


def rloo_advantages(rewards: Tensor) -> Tensor:
    """Each answer's reward minus the mean reward of the other answers to the same prompt.

    Shapes: [prompts, group] -> [prompts, group], group >= 2. A_i = r_i - mean_{j != i} r_j.
    Source: Ahmadian et al., arXiv 2402.14740, eq. 8.
    """
    others = rewards.shape[1] - 1
    return rewards - (rewards.sum(dim=1, keepdim=True) - rewards) / others


def reinforce(log_probs: Tensor, advantages: Tensor) -> Tensor:
    """-A log pi(y|x) per answer [n]; its gradient is the policy gradient, the advantage being a constant."""
    return -advantages.detach() * log_probs


def k1_kl(policy_log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """log pi(y|x) - log pi_ref(y|x) per sampled answer [n]: unbiased for KL(pi || pi_ref), detached.

    It belongs in the reward: there its gradient is that of the reverse KL, while k1 as a loss has none in
    expectation (arXiv 2510.01555).
    """
    return (policy_log_probs - reference_log_probs).detach()
