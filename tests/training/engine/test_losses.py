"""Every loss on pairs against numbers worked out by hand, and its gradient against finite differences.

Two values come again and again: -log sigma(1) = log(1 + e^-1) = log 1.367879 = 0.313262, and
-log sigma(-1) = log(1 + e) = log 3.718282 = 1.313262.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, tensor

from training.engine import losses


def close(found: Tensor, *expected: float) -> bool:
    return torch.allclose(found, tensor(expected, dtype=found.dtype), rtol=1e-5, atol=1e-6)


def random_margins(count: int = 6) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


# --- Labels -----------------------------------------------------------------------------------------------------------


def test_a_soft_label_mixes_the_loss_of_both_orders():
    """z = 1, p = 0.75: 0.75 * 0.313262 + 0.25 * 1.313262 = 0.234946 + 0.328316 = 0.563262."""
    assert close(losses.dpo(tensor([2.0]), tensor([1.0]), beta=1.0, label=tensor([0.75])), 0.563262)


def test_smoothing_flips_a_label_with_the_assumed_rate():
    """p = 1, e = 0.1: 0.9. p = 0.8: 0.8 * 0.9 + 0.2 * 0.1 = 0.74. p = 0.5 stays."""
    assert close(losses.smoothed(tensor([1.0, 0.8, 0.5]), 0.1), 0.9, 0.74, 0.5)


def test_correction_undoes_smoothing():
    """p = 1, e = 0.1: (1 - 0.1) / 0.8 = 1.125; and the correction of 0.74 is 0.8 again."""
    assert close(losses.corrected(tensor([1.0, 0.74]), 0.1), 1.125, 0.8)


def test_conservative_dpo_mixes_both_labels():
    """z = 1, e = 0.1: 0.9 * 0.313262 + 0.1 * 1.313262 = 0.281936 + 0.131326 = 0.413262."""
    label = losses.smoothed(tensor([1.0]), 0.1)
    assert close(losses.dpo(tensor([2.0]), tensor([1.0]), beta=1.0, label=label), 0.413262)


def test_conservative_loss_is_least_at_the_log_odds_of_the_label():
    """e = 0.2: the minimum lies at z = log(0.8 / 0.2) = 1.386294, where the gradient vanishes."""
    margin = tensor([math.log(4)], requires_grad=True)
    losses.dpo(margin, tensor([0.0]), beta=1.0, label=losses.smoothed(1.0, 0.2)).sum().backward()
    assert margin.grad is not None
    assert abs(float(margin.grad)) < 1e-6


def test_robust_dpo_has_no_lower_bound():
    """z = 20, e = 0.1: [0.9 * 2e-9 - 0.1 * 20] / 0.8 = -2.5."""
    label = losses.corrected(1.0, 0.1)
    assert close(losses.dpo(tensor([20.0]), tensor([0.0]), beta=1.0, label=label), -2.5)


# --- DPO and IPO ------------------------------------------------------------------------------------------------------


def test_dpo_loss_is_that_of_equation_7():
    """z = 0.5 (3 - 1) = 1: 0.313262. z = 0.5 (-1 - 1) = -1: 1.313262."""
    assert close(losses.dpo(tensor([3.0, -1.0]), tensor([1.0, 1.0]), beta=0.5), 0.313262, 1.313262)


def test_dpo_loss_of_the_reference_itself_is_log_two():
    margin = tensor([-4.0, 0.0, 7.0])
    assert close(losses.dpo(margin, margin, beta=0.1), *[math.log(2)] * 3)


def test_ipo_wants_a_gap_of_half_the_inverse_of_beta_and_no_more():
    """beta = 0.25: target 2. Gap 3 - 1 = 2: 0. Gap 5 - 1 = 4: (4 - 2)^2 = 4. Gap 0: 4."""
    assert close(losses.ipo(tensor([3.0, 5.0, 1.0]), tensor([1.0, 1.0, 1.0]), beta=0.25), 0.0, 4.0, 4.0)


def test_ipo_with_a_soft_label():
    """beta = 0.5: target 1, gap 2, p = 0.75: 0.75 (2 - 1)^2 + 0.25 (-2 - 1)^2 = 0.75 + 2.25 = 3."""
    assert close(losses.ipo(tensor([3.0]), tensor([1.0]), beta=0.5, label=0.75), 3.0)


# --- Constrained CPO --------------------------------------------------------------------------------------------------


def test_hard_floor_raises_only_targets_below_it():
    assert close(losses.constrained_target(tensor([-3.0, 0.2, 2.0]), floor=0.5), 0.5, 0.5, 2.0)


def test_constrained_loss_at_floor_zero():
    """Reference margin -2 becomes 0: z = 0.5 (1 - 0) = 0.5, log(1 + e^-0.5) = log 1.606531 = 0.474077.
    Reference margin 1 stays: z = 0.5 (3 - 1) = 1, loss 0.313262."""
    found = losses.constrained_cpo(tensor([1.0, 3.0]), tensor([-2.0, 1.0]), beta=0.5, floor=0.0)
    assert close(found, 0.474077, 0.313262)


def test_smooth_target_has_the_published_values():
    """gamma 0.5, tau 2, alpha 1, d = -0.3: softplus(2 * 0.8) / 2 = log(1 + e^1.6) / 2 = 1.783901 / 2 = 0.891950;
    target = -0.3 + 0.891950 = 0.591950. d = 0: log(1 + e) / 2 = 0.656631. d = 1: 1 + log(1 + e^-1) / 2 = 1.156631."""
    target = losses.constrained_target(tensor([-0.3, 0.0, 1.0]), floor=0.5, tau=2.0)
    assert close(target, 0.591950, 0.656631, 1.156631)


def test_alpha_below_one_over_corrects():
    """alpha 0.25 at d = -0.3: -0.3 + 4 * 0.891950 = 3.267801."""
    assert close(losses.constrained_target(tensor([-0.3]), floor=0.5, tau=2.0, alpha=0.25), 3.267801)


def test_smooth_target_sharpens_into_the_hard_one():
    reference = random_margins()
    smooth = losses.constrained_target(reference, floor=0.1, tau=1e4)
    assert torch.allclose(smooth, losses.constrained_target(reference, floor=0.1), atol=1e-4)


def test_smooth_target_does_not_overflow_on_summed_log_probabilities():
    """tau (gamma - d) = 2 * 1000.5 = 2001, where exp overflows; the target is 0.5 within rounding."""
    assert close(losses.constrained_target(tensor([-1000.0]), floor=0.5, tau=2.0), 0.5)


def test_a_reward_gap_is_credited_against_the_floor():
    """beta 0.5, m 1, margins 1 and -1. Gap 0.6: 0.5 (1 + 1) - max(0, 0.5 (1 + 1) - 0.6) = 1 - 0.4 = 0.6,
    log(1 + e^-0.6) = log 1.548812 = 0.437488. Gap 2 covers all of it: z = 1, 0.313262. Gap 0 is the floor alone:
    z = 0.5 (1 - 1) = 0, log 2."""
    policy, reference = tensor([1.0] * 3), tensor([-1.0] * 3)
    found = losses.constrained_cpo(policy, reference, beta=0.5, floor=1.0, reward_gap=tensor([0.6, 2.0, 0.0]))
    assert close(found, 0.437488, 0.313262, math.log(2))


def test_a_reward_gap_is_credited_against_the_smooth_margin():
    """As above with gap 0.6 and tau 2: missing 2 - 0.6 / 0.5 = 0.8, lift softplus(1.6) / 2 = 0.891950,
    z = 0.5 (2 - 0.891950) = 0.554025, log(1 + e^-0.554025) = log 1.574632 = 0.454022."""
    found = losses.constrained_cpo(
        tensor([1.0]), tensor([-1.0]), beta=0.5, floor=1.0, tau=2.0, reward_gap=tensor([0.6])
    )
    assert close(found, 0.454022)


def test_the_floor_of_a_flipped_pair_holds_in_the_other_direction():
    """p = 0, beta 1, m 0, margins 1 and 2. Swapped: -1 and -2, target max(-2, 0) = 0: -log sigma(-1) = 1.313262.
    DPO asks for less there: -log sigma(-1 + 2) = 0.313262."""
    policy, reference = tensor([1.0]), tensor([2.0])
    assert close(losses.constrained_cpo(policy, reference, beta=1.0, floor=0.0, label=0.0), 1.313262)
    assert close(losses.dpo(policy, reference, beta=1.0, label=0.0), 0.313262)


def test_a_flipped_pair_has_the_reward_gap_of_that_pair():
    """p = 0, beta 1, m 0, margins -1 and 2, gap -0.5. Swapped: margins 1 and -2, gap 0.5, missing 2 - 0.5 = 1.5,
    target -2 + 1.5 = -0.5: z = 1.5, log(1 + e^-1.5) = log 1.223130 = 0.201413."""
    found = losses.constrained_cpo(
        tensor([-1.0]), tensor([2.0]), beta=1.0, floor=0.0, reward_gap=tensor([-0.5]), label=0.0
    )
    assert close(found, 0.201413)


# --- Without a reference ----------------------------------------------------------------------------------------------


def test_contrastive_loss_compares_log_probabilities_alone():
    """z = 0.5 * 2 = 1: 0.313262; z = -1: 1.313262."""
    assert close(losses.contrastive_cpo(tensor([2.0, -2.0]), beta=0.5), 0.313262, 1.313262)


def test_simpo_demands_its_margin():
    """2 * 0.75 - 0.5 = 1: 0.313262."""
    assert close(losses.simpo(tensor([0.75]), beta=2.0, gamma=0.5), 0.313262)


def test_simpo_demands_its_margin_of_the_rejected_answer_when_the_label_is_flipped():
    """-1.5 - 0.5 = -2: log(1 + e^2) = log 8.389056 = 2.126928."""
    assert close(losses.simpo(tensor([0.75]), beta=2.0, gamma=0.5, label=0.0), 2.126928)


def test_likelihood_is_that_of_the_answer_held_to_be_the_better_one():
    """p = 0.75: 0.75 * 3 + 0.25 * 5 = 3.5."""
    log_probs = tensor([[-3.0, -5.0]])
    assert close(losses.negative_log_likelihood(log_probs), 3.0)
    assert close(losses.negative_log_likelihood(log_probs, 0.75), 3.5)


# --- Reward model -----------------------------------------------------------------------------------------------------


def test_bradley_terry_with_centring():
    """r_w = 1.5, r_l = 0.5: log(1 + e^-1) + 0.01 * (1.5 + 0.5)^2 = 0.313262 + 0.04 = 0.353262."""
    assert close(losses.bradley_terry(tensor([1.5]), tensor([0.5]), centring=0.01), 0.353262)


def test_bradley_terry_demands_the_margin_of_whichever_answer_is_better():
    """Gap 1.5 - 0.5 = 1, margin 2, label 0.75: right -log sigma(1 - 2) = 1.313262, flipped -log sigma(-1 - 2) =
    log(1 + e^3) = 3.048587; 0.75 * 1.313262 + 0.25 * 3.048587 = 0.984946 + 0.762147 = 1.747093."""
    assert close(losses.bradley_terry(tensor([1.5]), tensor([0.5]), margin=2.0, label=0.75), 1.747093)


def test_weighted_means_of_parts_add_up_to_that_of_the_whole():
    """(1 * 2 + 3 * 4 + 2 * 6) / 6 = 26 / 6 = 4.333333."""
    values, weights = tensor([2.0, 4.0, 6.0]), tensor([1.0, 3.0, 2.0])
    parts = [losses.weighted_mean(values[i : i + 1], weights[i : i + 1], 6.0) for i in range(3)]
    assert close(torch.stack(parts).sum(), 26 / 6)


# --- All of them ------------------------------------------------------------------------------------------------------

LOSSES = {
    "dpo": lambda a, b, p: losses.dpo(a, b, beta=0.7, label=p),
    "ipo": lambda a, b, p: losses.ipo(a, b, beta=0.7, label=p),
    "constrained hard": lambda a, b, p: losses.constrained_cpo(a, b, beta=2.0, floor=0.3, label=p),
    "constrained smooth": lambda a, b, p: losses.constrained_cpo(a, b, beta=0.4, floor=0.5, tau=2, alpha=0.5, label=p),
    "contrastive": lambda a, b, p: losses.contrastive_cpo(a, beta=0.3, label=p),
    "simpo": lambda a, b, p: losses.simpo(a, beta=2.0, gamma=1.0, label=p),
    "likelihood": lambda a, b, p: losses.negative_log_likelihood(torch.stack([a, b], dim=1), p),
    "bradley-terry": lambda a, b, p: losses.bradley_terry(a, b, centring=0.01, margin=0.5, label=p),
}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


@each_loss
def test_gradient_agrees_with_finite_differences(loss):
    first, second = random_margins().requires_grad_(), random_margins().flip(0).requires_grad_()
    label = torch.rand(6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, label), (first, second))


def test_gradient_with_a_reward_gap_agrees_with_finite_differences():
    policy, reference, gap = random_margins().requires_grad_(), random_margins().flip(0), random_margins() * 2
    for tau in (math.inf, 2.0):
        assert torch.autograd.gradcheck(
            lambda a, tau=tau: losses.constrained_cpo(a, reference, beta=0.4, floor=0.3, tau=tau, reward_gap=gap),
            policy,
        )


@each_loss
def test_margins_of_ten_thousand_nats_overflow_neither_value_nor_gradient(loss):
    far = tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    other = tensor([1e4, 1e4, -1e4, -1e4])
    values = loss(far, other, 0.9)
    values.sum().backward()
    assert values.isfinite().all()
    assert far.grad is not None
    assert far.grad.isfinite().all()
