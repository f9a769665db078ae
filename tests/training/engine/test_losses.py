"""Every loss against numbers worked out by hand, and its gradient against finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, tensor

from training.config import CPOConfig, RLHFConfig
from training.engine import losses, policy_gradients
from training.engine.cpo import target_margin
from training.engine.rlhf import shaped_reward


def close(found: Tensor, *expected: float) -> bool:
    return torch.allclose(found, tensor(expected, dtype=found.dtype), rtol=1e-5, atol=1e-6)


def random_margins(count: int = 6) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def test_dpo_loss_is_that_of_equation_7():
    """z = 0.5 (3 - 1) = 1: -log sigma(1) = log(1 + e^-1) = log 1.367879 = 0.313262.
    z = 0.5 (-1 - 1) = -1: log(1 + e) = log 3.718282 = 1.313262."""
    assert close(losses.dpo(tensor([3.0, -1.0]), tensor([1.0, 1.0]), beta=0.5), 0.313262, 1.313262)


def test_dpo_loss_of_the_reference_itself_is_log_two():
    margin = tensor([-4.0, 0.0, 7.0])
    assert close(losses.dpo(margin, margin, beta=0.1), *[math.log(2)] * 3)


def test_label_smoothing_mixes_both_labels():
    """z = 1, e = 0.1: 0.9 * 0.313262 + 0.1 * 1.313262 = 0.281936 + 0.131326 = 0.413262."""
    assert close(losses.dpo(tensor([2.0]), tensor([1.0]), beta=1.0, label_smoothing=0.1), 0.413262)


def test_smoothed_loss_is_least_at_the_log_odds_of_the_label():
    """e = 0.2: the minimum lies at z = log(0.8 / 0.2) = 1.386294, where the gradient vanishes."""
    margin = tensor([math.log(4)], requires_grad=True)
    losses.dpo(margin, tensor([0.0]), beta=1.0, label_smoothing=0.2).sum().backward()
    assert margin.grad is not None
    assert abs(float(margin.grad)) < 1e-6


def test_hard_floor_raises_only_targets_below_it():
    assert close(losses.hard_target(tensor([-3.0, 0.2, 2.0]), floor=0.5), 0.5, 0.5, 2.0)


def test_constrained_loss_at_floor_zero():
    """Reference margin -2 becomes 0: z = 0.5 (1 - 0) = 0.5, log(1 + e^-0.5) = log 1.606531 = 0.474077.
    Reference margin 1 stays: z = 0.5 (3 - 1) = 1, loss 0.313262."""
    target = losses.hard_target(tensor([-2.0, 1.0]), floor=0.0)
    assert close(losses.constrained_cpo(tensor([1.0, 3.0]), target, beta=0.5), 0.474077, 0.313262)


def test_constrained_loss_without_a_floor_is_dpo():
    policy, reference = random_margins(), random_margins().flip(0)
    target = losses.hard_target(reference, floor=-math.inf)
    assert torch.equal(losses.constrained_cpo(policy, target, beta=0.3), losses.dpo(policy, reference, beta=0.3))


def test_smooth_target_has_the_published_values():
    """gamma 0.5, tau 2, alpha 1, d = -0.3: softplus(2 * 0.8) / 2 = log(1 + e^1.6) / 2 = 1.783914 / 2 = 0.891957;
    target = -0.3 + 0.891957 = 0.591957. d = 0: log(1 + e) / 2 = 0.656631. d = 1: 1 + log(1 + e^-1) / 2 = 1.156631."""
    target = losses.smooth_target(tensor([-0.3, 0.0, 1.0]), gamma=0.5, tau=2.0, alpha=1.0)
    assert close(target, 0.591957, 0.656631, 1.156631)


def test_alpha_below_one_over_corrects():
    """alpha 0.25 at d = -0.3: -0.3 + 4 * 0.891957 = 3.267829."""
    assert close(losses.smooth_target(tensor([-0.3]), gamma=0.5, tau=2.0, alpha=0.25), 3.267829)


def test_smooth_target_sharpens_into_the_hard_one():
    reference = random_margins()
    smooth = losses.smooth_target(reference, gamma=0.1, tau=1e4, alpha=1.0)
    assert torch.allclose(smooth, losses.hard_target(reference, floor=0.1), atol=1e-4)


def test_smooth_target_does_not_overflow_on_summed_log_probabilities():
    """tau (gamma - d) = 2 * 1000.5 = 2001, where exp overflows; the target is 0.5 within rounding."""
    assert close(losses.smooth_target(tensor([-1000.0]), gamma=0.5, tau=2.0, alpha=1.0), 0.5)


def test_margin_setting_chooses_the_target():
    reference = tensor([-1.0, 2.0])
    assert close(target_margin(reference, CPOConfig(margin="hard", floor=0.25)), 0.25, 2.0)
    smooth = losses.smooth_target(reference, gamma=0.5, tau=2.0, alpha=1.0)
    assert torch.equal(target_margin(reference, CPOConfig(margin="smooth")), smooth)


def test_bradley_terry_with_centring():
    """r_w = 1.5, r_l = 0.5: log(1 + e^-1) + 0.01 * (1.5 + 0.5)^2 = 0.313262 + 0.04 = 0.353262."""
    assert close(losses.bradley_terry(tensor([1.5]), tensor([0.5]), centring=0.01), 0.353262)


def test_bradley_terry_demands_the_margin_of_whichever_answer_is_better():
    """Gap 1.5 - 0.5 = 1, margin 2, label 0.75: right -log sigma(1 - 2) = 1.313262, flipped -log sigma(-1 - 2) =
    log(1 + e^3) = 3.048587; 0.75 * 1.313262 + 0.25 * 3.048587 = 0.984946 + 0.762147 = 1.747093."""
    assert close(losses.bradley_terry(tensor([1.5]), tensor([0.5]), margin=2.0, label=0.75), 1.747093)


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
    "loss",
    [
        lambda a, b: losses.dpo(a, b, beta=0.7, label_smoothing=0.1),
        lambda a, b: losses.constrained_cpo(a, losses.hard_target(b, floor=0.3), beta=2.0),
        lambda a, b: losses.constrained_cpo(a, losses.smooth_target(b, gamma=0.5, tau=2.0, alpha=0.5), beta=0.4),
        lambda a, b: losses.bradley_terry(a, b, centring=0.01),
        lambda a, b: policy_gradients.rloo_advantages(torch.stack([a, b])),
        lambda a, b: policy_gradients.reinforce(a, random_margins()) + 0 * b,
    ],
    ids=["dpo", "cpo hard", "cpo smooth", "bradley-terry", "rloo", "reinforce"],
)
def test_gradient_agrees_with_finite_differences(loss):
    first = random_margins().requires_grad_()
    second = random_margins().flip(0).requires_grad_()
    assert torch.autograd.gradcheck(loss, (first, second))


def test_swapping_chosen_and_rejected_swaps_the_sign_inside_the_sigmoid():
    """-log sigma(z) and -log sigma(-z) differ by z."""
    policy, reference = random_margins(), random_margins().flip(0)
    difference = losses.dpo(-policy, -reference, beta=0.3) - losses.dpo(policy, reference, beta=0.3)
    assert torch.allclose(difference, 0.3 * (policy - reference))
