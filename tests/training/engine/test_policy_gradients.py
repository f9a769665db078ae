"""Advantages, policy gradients and the KL estimate against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, tensor

from training.engine import policy_gradients
from training.engine.policy_gradients import clipped_surrogate, generalised_advantages


def close(found: Tensor, *expected: float) -> bool:
    return torch.allclose(found, tensor(expected, dtype=found.dtype), rtol=1e-5, atol=1e-6)


def random_numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def test_rloo_advantage_is_against_the_mean_of_the_others():
    """Rewards 1, 2, 6: 1 - (2 + 6) / 2 = -3; 2 - (1 + 6) / 2 = -1.5; 6 - (1 + 2) / 2 = 4.5."""
    assert close(policy_gradients.rloo_advantages(tensor([[1.0, 2.0, 6.0]]))[0], -3.0, -1.5, 4.5)


def test_grpo_advantage_is_in_standard_deviations_of_the_group():
    """Rewards 1, 2, 6: mean 3; squares 4 + 1 + 9 = 14, std = sqrt(14 / 2) = 2.645751, plus 1e-4: 2.645851;
    -2, -1, 3 over that: -0.755900, -0.377950, 1.133850."""
    assert close(policy_gradients.grpo_advantages(tensor([[1.0, 2.0, 6.0]]))[0], -0.755900, -0.377950, 1.133850)


def test_dr_grpo_advantage_is_not_divided_by_the_spread():
    assert close(policy_gradients.dr_grpo_advantages(tensor([[1.0, 2.0, 6.0]]))[0], -2.0, -1.0, 3.0)


def test_rloo_and_dr_grpo_differ_by_a_factor_of_the_group_alone():
    """r_i - (S - r_i) / (n - 1) = n / (n - 1) (r_i - S / n); here 5 / 4."""
    rewards = random_numbers(4, 5)
    expected = 5 / 4 * policy_gradients.dr_grpo_advantages(rewards)
    assert torch.allclose(policy_gradients.rloo_advantages(rewards), expected)


ON_GROUPS = [policy_gradients.rloo_advantages, policy_gradients.grpo_advantages, policy_gradients.dr_grpo_advantages]


@pytest.mark.parametrize("advantages", ON_GROUPS)
def test_equal_rewards_give_no_advantage(advantages):
    assert close(advantages(tensor([[0.7, 0.7, 0.7]]))[0], 0.0, 0.0, 0.0)


@pytest.mark.parametrize("advantages", ON_GROUPS)
def test_the_order_within_a_group_and_a_shift_of_its_rewards_do_not_matter(advantages):
    rewards, order = random_numbers(3, 4), [2, 0, 3, 1]
    assert torch.allclose(advantages(rewards[:, order] + 5), advantages(rewards)[:, order])


def test_generalised_advantages_of_three_tokens():
    """r = 0, 0, 1; V = 0.5, 0.2, 0.4; gamma = 0.9, lambda = 0.5.
    delta_3 = 1 - 0.4 = 0.6; delta_2 = 0.9 * 0.4 - 0.2 = 0.16; delta_1 = 0.9 * 0.2 - 0.5 = -0.32.
    A_3 = 0.6; A_2 = 0.16 + 0.45 * 0.6 = 0.43; A_1 = -0.32 + 0.45 * 0.43 = -0.1265."""
    found = generalised_advantages(tensor([0.0, 0.0, 1.0]), tensor([0.5, 0.2, 0.4]), [3], discount=0.9, gae_lambda=0.5)
    assert close(found, -0.1265, 0.43, 0.6)


def test_lambda_one_gives_what_was_earned_less_what_was_expected():
    """Discount 1: the rewards still to come (-0.1 + 1, then 1) minus the values (0.3, 0.6)."""
    found = generalised_advantages(tensor([-0.1, 1.0]), tensor([0.3, 0.6]), [2], discount=1.0, gae_lambda=1.0)
    assert close(found, 0.6, 0.4)


def test_nothing_flows_from_one_answer_into_another():
    rewards, values = random_numbers(7), random_numbers(7) / 2
    together = generalised_advantages(rewards, values, [4, 1, 2], discount=0.9, gae_lambda=0.8)
    apart = [
        generalised_advantages(r, v, [len(r)], discount=0.9, gae_lambda=0.8)
        for r, v in zip(rewards.split([4, 1, 2]), values.split([4, 1, 2]), strict=True)
    ]
    assert torch.allclose(together, torch.cat(apart))


def test_whitened_values_have_mean_zero_and_deviation_one():
    """1, 2, 3: mean 2, deviation sqrt(2 / 3) = 0.816497; -1 / 0.816497 = -1.224745."""
    assert close(policy_gradients.whitened(tensor([1.0, 2.0, 3.0])), -1.224745, 0.0, 1.224745)
    assert close(policy_gradients.whitened(tensor([5.0, 5.0])), 0.0, 0.0)


def test_reinforce_moves_log_probabilities_by_the_advantage_and_nothing_else():
    log_probs = tensor([-3.0, -2.0], requires_grad=True)
    advantages = tensor([1.5, -0.5], requires_grad=True)
    policy_gradients.reinforce(log_probs, advantages).sum().backward()
    assert log_probs.grad is not None
    assert close(log_probs.grad, -1.5, 0.5)
    assert advantages.grad is None


def test_the_clipped_surrogate_takes_the_smaller_gain():
    """rho = 1.5: A = 2 gives -min(3, 1.2 * 2) = -2.4, A = -2 gives -min(-3, -2.4) = 3.
    rho = 0.5: A = 2 gives -min(1, 1.6) = -1, A = -2 gives -min(-1, -1.6) = 1.6."""
    log_ratio = tensor([1.5, 1.5, 0.5, 0.5]).log()
    found = clipped_surrogate(log_ratio, tensor([2.0, -2.0, 2.0, -2.0]), clip_range=0.2)
    assert close(found, -2.4, 3.0, -1.0, 1.6)


def test_outside_the_range_nothing_pushes_further_out_but_the_way_back_is_open():
    """The gradient of -rho A is -rho A or 0: 1.5 * 2 = 3 at rho = 1.5, A = -2; -0.5 * 2 = -1 at rho = 0.5, A = 2."""
    log_ratio = tensor([1.5, 1.5, 0.5, 0.5]).log().requires_grad_()
    advantages = tensor([2.0, -2.0, 2.0, -2.0])
    clipped_surrogate(log_ratio, advantages, clip_range=0.2).sum().backward()
    assert log_ratio.grad is not None
    assert close(log_ratio.grad, 0.0, 3.0, -1.0, 0.0)
    clipped = policy_gradients.clipped(log_ratio.detach(), advantages, clip_range=0.2)
    assert clipped.tolist() == [True, False, False, True]


def test_at_ratio_one_the_surrogate_has_the_gradient_of_reinforce():
    log_probs, advantages = random_numbers(6).requires_grad_(), random_numbers(6).flip(0)
    surrogate = clipped_surrogate(log_probs - log_probs.detach(), advantages, clip_range=0.2).sum()
    plain = policy_gradients.reinforce(log_probs, advantages).sum()
    found, expected = (torch.autograd.grad(loss, log_probs)[0] for loss in (surrogate, plain))
    assert torch.allclose(found, expected)


def test_value_loss_takes_the_larger_of_clipped_and_plain():
    """Old 0, clip 0.2, return 1. V = 0.1: (0.1 - 1)^2 / 2 = 0.405. V = 0.5: clipped 0.2, (0.2 - 1)^2 / 2 = 0.32 beats
    0.125. V = -0.5: plain 1.5^2 / 2 = 1.125 beats the clipped 1.2^2 / 2."""
    found = policy_gradients.value_loss(tensor([0.1, 0.5, -0.5]), torch.zeros(3), torch.ones(3), value_clip=0.2)
    assert close(found, 0.405, 0.32, 1.125)


def test_explained_variance_is_one_for_perfect_values_and_zero_for_constant_ones():
    """Returns 0, 2 and values 0, 1: residuals 0, 1 have variance 0.25, returns 1: 0.75."""
    returns = tensor([0.0, 2.0])
    found = [policy_gradients.explained_variance(tensor(v), returns) for v in ([0.0, 2.0], [7.0, 7.0], [0.0, 1.0])]
    assert close(torch.stack(found), 1.0, 0.0, 0.75)


def test_explained_variance_is_zero_where_the_returns_do_not_vary():
    assert close(policy_gradients.explained_variance(tensor([0.1, 0.2, 0.6]), tensor([1.0, 1.0, 1.0])), 0.0)


def test_importance_weights_are_ratios_up_to_the_cap():
    """Trainer over sampler 0.4 / 0.2 = 2, 0.1 / 0.2 = 0.5, 0.9 / 0.1 = 9, capped at 3; no gradient."""
    trainer = tensor([0.4, 0.1, 0.9]).log().requires_grad_()
    weights = policy_gradients.truncated_weights(trainer, tensor([0.2, 0.2, 0.1]).log(), cap=3.0)
    assert close(weights, 2.0, 0.5, 3.0)
    assert not weights.requires_grad


def test_uncapped_importance_weights_make_the_samplers_gradient_that_of_the_policy():
    """E_mu[pi / mu * A grad log pi] = E_pi[A grad log pi], summed over a vocabulary of four."""
    logits, mu = random_numbers(4).requires_grad_(), random_numbers(4).flip(0).softmax(0)
    log_pi, advantages = logits.log_softmax(0), random_numbers(4).square()
    weights = policy_gradients.truncated_weights(log_pi, mu.log(), cap=math.inf)
    losses = policy_gradients.reinforce(log_pi, advantages)
    corrected, exact = (mu * weights * losses).sum(), (log_pi.exp().detach() * losses).sum()
    found, expected = (torch.autograd.grad(x, logits, retain_graph=True)[0] for x in (corrected, exact))
    assert torch.allclose(found, expected)


def test_k1_is_the_log_ratio_and_carries_no_gradient():
    kl = policy_gradients.k1_kl(tensor([-3.0], requires_grad=True), tensor([-3.4]))
    assert close(kl, 0.4)
    assert not kl.requires_grad


def test_k1_in_the_reward_has_the_gradient_of_the_reverse_kl():
    """Vocabulary of four, sampled exactly: E[k1 grad log pi] = grad KL(pi || ref)."""
    logits, reference = random_numbers(4).requires_grad_(), random_numbers(4).flip(0).log_softmax(0)
    log_pi = logits.log_softmax(0)
    in_reward = -(log_pi.exp().detach() * policy_gradients.reinforce(log_pi, policy_gradients.k1_kl(log_pi, reference)))
    kl = (log_pi.exp() * (log_pi - reference)).sum()
    found, expected = (torch.autograd.grad(x, logits, retain_graph=True)[0] for x in (in_reward.sum(), kl))
    assert torch.allclose(found, expected)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: policy_gradients.rloo_advantages(torch.stack([a, b])),
        lambda a, b: policy_gradients.grpo_advantages(torch.stack([a, b], dim=1)),
        lambda a, b: policy_gradients.reinforce(a, torch.linspace(-1, 1, 6, dtype=a.dtype)) + 0 * b,
        lambda a, b: clipped_surrogate(a / 9, torch.linspace(-1, 1, 6, dtype=a.dtype), clip_range=0.15) + 0 * b,
        lambda a, b: policy_gradients.value_loss(a, torch.zeros_like(a), b, value_clip=0.3),
        lambda a, b: generalised_advantages(a, b, [4, 2], discount=0.9, gae_lambda=0.8),
    ],
    ids=["rloo", "grpo", "reinforce", "surrogate", "value", "gae"],
)
def test_gradient_agrees_with_finite_differences(function):
    first, second = random_numbers(6).requires_grad_(), random_numbers(6).flip(0).requires_grad_()
    assert torch.autograd.gradcheck(function, (first, second))
