"""What holds of the losses for any margins: symmetry in the answers, and identities between methods."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.training.engine.test_losses import LOSSES, each_loss
from training.engine import losses

MARGIN = st.floats(-50, 50)
MARGINS = st.lists(st.tuples(MARGIN, MARGIN), min_size=1, max_size=5).map(
    lambda pairs: torch.tensor(pairs, dtype=torch.float64).unbind(1)
)
BETA = st.floats(0.01, 5)
RATE = st.floats(0.01, 0.45)
quickly = settings(max_examples=60, deadline=None)


def same(first: Tensor, second: Tensor) -> bool:
    return torch.allclose(first, second, rtol=1e-9, atol=1e-9)


@quickly
@given(margins=MARGINS, label=st.floats(0, 1))
@each_loss
def test_swapping_the_answers_and_the_label_changes_nothing(loss: Any, margins, label):
    """Margins change sign; rewards and log-probabilities of two answers change places."""
    first, second = margins
    paired = loss in (LOSSES["bradley-terry"], LOSSES["likelihood"])
    swapped = (second, first) if paired else (-first, -second)
    assert same(loss(*swapped, 1 - label), loss(first, second, label))


@quickly
@given(margins=MARGINS, beta=BETA)
def test_swapped_answers_differ_in_dpo_by_the_argument_of_the_sigmoid(margins, beta):
    """-log sigma(-z) - (-log sigma(z)) = z."""
    policy, reference = margins
    difference = losses.dpo(-policy, -reference, beta=beta) - losses.dpo(policy, reference, beta=beta)
    assert same(difference, beta * (policy - reference))


@quickly
@given(margins=MARGINS, beta=BETA, label=st.floats(0, 1))
def test_constrained_loss_without_a_floor_is_dpo(margins, beta, label):
    policy, reference = margins
    found = losses.constrained_cpo(policy, reference, beta=beta, floor=-math.inf, label=label)
    assert torch.equal(found, losses.dpo(policy, reference, beta=beta, label=label))


@quickly
@given(margins=MARGINS, beta=BETA)
def test_constrained_loss_at_floor_zero_is_the_published_clip(margins, beta):
    policy, reference = margins
    clip = -F.logsigmoid(beta * (policy - torch.maximum(reference, torch.zeros(()))))
    assert same(losses.constrained_cpo(policy, reference, beta=beta, floor=0.0), clip)


@quickly
@given(margins=MARGINS, beta=BETA, floor=st.floats(-5, 5), gap=st.floats(-10, 10))
def test_target_and_credit_make_the_margin_of_the_constrained_optimum(margins, beta, floor, gap):
    """At z = gap the policy's margin is max(m, delta_ref + gap / beta), the optimum under the constraint."""
    _, reference = margins
    target = losses.constrained_target(reference, gap / beta, floor=floor)
    optimum = (reference + gap / beta).clamp(min=floor)
    assert torch.allclose(target + gap / beta, optimum, atol=1e-6)


@quickly
@given(margins=MARGINS, beta=BETA, floor=st.floats(-5, 5))
def test_a_pair_keeps_the_floor_exactly_when_its_loss_says_so(margins, beta, floor):
    """delta_theta >= m iff loss <= softplus(-beta (m - target)); where the floor binds that is log 2."""
    policy, reference = margins
    target = losses.constrained_target(reference, floor=floor)
    bound = F.softplus(-beta * (floor - target))
    found = losses.constrained_cpo(policy, reference, beta=beta, floor=floor)
    clear = ((policy - floor).abs() > 1e-6) & (beta * (policy - target) < 15)  # beyond, values are equal by rounding
    assert torch.equal((found <= bound)[clear], (policy >= floor)[clear])


@quickly
@given(margins=MARGINS, beta=BETA, floor=st.floats(-5, 5))
def test_constrained_gradient_is_that_of_dpo_where_the_reference_keeps_the_floor_and_larger_elsewhere(
    margins, beta, floor
):
    policy, reference = margins[0].clone().requires_grad_(), margins[1]
    [ours] = torch.autograd.grad(losses.constrained_cpo(policy, reference, beta=beta, floor=floor).sum(), policy)
    [dpos] = torch.autograd.grad(losses.dpo(policy, reference, beta=beta).sum(), policy)
    kept = reference >= floor
    assert same(ours[kept], dpos[kept])
    assert (ours <= dpos + 1e-12).all()  # both are negative: the pull upwards is at least as strong


@quickly
@given(margins=MARGINS, beta=BETA)
def test_simpo_without_a_margin_is_contrastive_cpo_on_means_without_its_likelihood(margins, beta):
    means = margins[0]
    assert torch.equal(losses.simpo(means, beta=beta, gamma=0.0), losses.contrastive_cpo(means, beta=beta))


@quickly
@given(margins=MARGINS, beta=BETA)
def test_contrastive_cpo_is_dpo_with_an_indifferent_reference(margins, beta):
    policy, _ = margins
    assert same(losses.contrastive_cpo(policy, beta=beta), losses.dpo(policy, torch.zeros_like(policy), beta=beta))


@quickly
@given(margins=MARGINS, beta=BETA, rate=RATE)
def test_conservative_dpo_has_its_published_form(margins, beta, rate):
    policy, reference = margins
    z = beta * (policy - reference)
    published = -(1 - rate) * F.logsigmoid(z) - rate * F.logsigmoid(-z)
    assert same(losses.dpo(policy, reference, beta=beta, label=losses.smoothed(1.0, rate)), published)


@quickly
@given(margins=MARGINS, beta=BETA, rate=RATE)
def test_robust_dpo_has_its_published_form(margins, beta, rate):
    policy, reference = margins
    z = beta * (policy - reference)
    published = (-(1 - rate) * F.logsigmoid(z) + rate * F.logsigmoid(-z)) / (1 - 2 * rate)
    assert same(losses.dpo(policy, reference, beta=beta, label=losses.corrected(1.0, rate)), published)


@quickly
@given(margins=MARGINS, beta=BETA, rate=RATE)
def test_robust_dpo_averaged_over_flips_is_dpo_on_the_true_labels(margins, beta, rate):
    """(1 - e) R(pair) + e R(swapped pair) = L(pair)."""
    policy, reference = margins
    robust = losses.corrected(1.0, rate)
    seen, flipped = (losses.dpo(s * policy, s * reference, beta=beta, label=robust) for s in (1, -1))
    assert torch.allclose((1 - rate) * seen + rate * flipped, losses.dpo(policy, reference, beta=beta), atol=1e-8)


@quickly
@given(margins=MARGINS, label=st.floats(0, 1), rate=RATE)
@each_loss
def test_smoothing_is_a_softer_label(loss: Any, margins, label, rate):
    """E over a flip with probability e of the loss under label p: (1 - e) L(p) + e L(1 - p) = L(smoothed p)."""
    first, second = margins
    mixed = (1 - rate) * loss(first, second, label) + rate * loss(first, second, 1 - label)
    assert same(mixed, loss(first, second, losses.smoothed(label, rate)))
