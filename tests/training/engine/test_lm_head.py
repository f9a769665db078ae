"""The LM head's log-probabilities and their gradient by hand, against automatic differentiation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from training.engine import lm_head
from training.engine.lm_head import MULTIPLE, target_log_probs

VOCABULARY, HIDDEN, TOKENS = 11, 5, 7


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    states = torch.randn(TOKENS, HIDDEN, generator=draw, requires_grad=True)
    weight = torch.randn(VOCABULARY, HIDDEN, generator=draw, requires_grad=True)
    return states, weight, torch.randint(VOCABULARY, (TOKENS,), generator=draw)


def by_torch(states: Tensor, weight: Tensor, targets: Tensor, *, factor: float = 1.0) -> Tensor:
    return (factor * states @ weight.t()).log_softmax(-1).gather(1, targets[:, None]).squeeze(1)


def test_two_tokens_are_weighed_by_hand():
    """z = (1, 0) and factor 2: log p(first) = 2 - log(e^2 + 1)."""
    found = target_log_probs(torch.ones(1, 1), torch.tensor([[1.0], [0.0]]), torch.tensor([0]), factor=2.0)
    assert found.item() == pytest.approx(2 - math.log(math.exp(2) + 1), rel=1e-6)


@pytest.mark.parametrize("chunk", [VOCABULARY * 5, VOCABULARY * MULTIPLE], ids=["computed again", "kept"])
def test_values_and_gradients_are_those_of_automatic_differentiation(inputs, monkeypatch, chunk):
    monkeypatch.setitem(lm_head.MOST_LOGITS, "cpu", chunk)
    monkeypatch.setattr(lm_head, "_IN_CACHE", 2 * VOCABULARY)
    states, weight, _ = inputs
    found, expected = target_log_probs(*inputs, factor=0.7), by_torch(*inputs, factor=0.7)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)
    upstream = torch.linspace(-1, 2, TOKENS)
    ours = torch.autograd.grad(found, (states, weight), upstream)
    theirs = torch.autograd.grad(expected, (states, weight), upstream)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(ours, theirs, strict=True))


def test_logits_of_a_thousand_do_not_overflow():
    found = target_log_probs(torch.full((1, 1), 1000.0), torch.tensor([[1.0], [-1.0]]), torch.tensor([1]))
    assert found.item() == pytest.approx(-2000.0)


def test_a_frozen_head_gets_no_gradient(inputs):
    states, weight, targets = inputs
    target_log_probs(states, weight.detach(), targets).sum().backward()
    assert states.grad is not None
    assert weight.grad is None


def test_a_second_backward_pass_is_refused_since_the_first_used_up_the_buffer(inputs):
    loss = target_log_probs(*inputs).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()


def test_under_autocast_values_are_fp32_and_near_the_exact_ones(inputs):
    with torch.autocast("cpu", torch.bfloat16):
        found = target_log_probs(*inputs)
    assert found.dtype == torch.float32
    assert torch.allclose(found, by_torch(*inputs), atol=0.1)
    found.sum().backward()
    assert inputs[1].grad is not None
    assert inputs[1].grad.dtype == torch.float32
