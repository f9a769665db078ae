"""Advantages, the policy gradient and the KL estimate against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, tensor

from training.config import RLHFConfig
from training.engine import policy_gradients
from training.engine.rlhf import shaped_reward


def close(found: Tensor, *expected: float) -> bool:
    return torch.allclose(found, tensor(expected, dtype=found.dtype), rtol=1e-5, atol=1e-6)


def test_rloo_advantage_is_against_the_mean_of_the_others():
    """Rewards 1, 2, 6: 1 - (2 + 6) / 2 = -3; 2 - (1 + 6) / 2 = -1.5; 6 - (1 + 2) / 2 = 4.5."""
    assert close(policy_gradients.rloo_advantages(tensor([[1.0, 2.0, 6.0]]))[0], -3.0, -1.5, 4.5)


def test_equal_rewards_give_no_advantage():
    assert close(policy_gradients.rloo_advantages(tensor([[0.7, 0.7]]))[0], 0.0, 0.0)


def test_reinforce_moves_log_probabilities_by_the_advantage_and_nothing_else():
    log_probs = tensor([-3.0, -2.0], requires_grad=True)
    advantages = tensor([1.5, -0.5], requires_grad=True)
    policy_gradients.reinforce(log_probs, advantages).sum().backward()
    assert log_probs.grad is not None
    assert close(log_probs.grad, -1.5, 0.5)
    assert advantages.grad is None


def test_k1_is_the_log_ratio_and_carries_no_gradient():
    kl = policy_gradients.k1_kl(tensor([-3.0], requires_grad=True), tensor([-3.4]))
    assert close(kl, 0.4)
    assert not kl.requires_grad


def test_shaped_reward_clips_then_charges_for_truncation_and_distance():
    """Score 12 is clipped to 10; 10 - 1 * 0 - 0.1 * 2 = 9.8. Score -0.5, cut off: -0.5 - 1 - 0.1 * 3 = -1.8."""
    config = RLHFConfig(kl_beta=0.1, missing_eos_penalty=1.0, reward_clip=10.0)
    found = shaped_reward(tensor([12.0, -0.5]), tensor([0.0, 1.0]), tensor([2.0, 3.0]), config)
    assert close(found, 9.8, -1.8)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: policy_gradients.rloo_advantages(torch.stack([a, b])),
        lambda a, b: policy_gradients.reinforce(a, torch.linspace(-1, 1, 6, dtype=a.dtype)) + 0 * b,
    ],
    ids=["rloo", "reinforce"],
)
def test_gradient_agrees_with_finite_differences(function):
    first = torch.randn(6, generator=torch.Generator().manual_seed(3), dtype=torch.float64).requires_grad_()
    second = first.detach().flip(0).requires_grad_()
    assert torch.autograd.gradcheck(function, (first, second))
