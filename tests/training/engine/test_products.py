"""fp32 products by oneDNN: values, gradients, and what they are used for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from training.engine import products
from training.engine.products import FastLinear, linear, use_fast_products


@pytest.fixture(autouse=True)
def _always_worthwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "WORTHWHILE", 0)


@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_torch(bias):
    torch.manual_seed(0)
    given = [torch.randn(2, 5, 7, requires_grad=True), torch.randn(3, 7, requires_grad=True)]
    given += [torch.randn(3, requires_grad=True)] if bias else []
    upstream = torch.randn(2, 5, 3)
    found, expected = linear(*given), F.linear(*given)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)
    ours, theirs = (torch.autograd.grad(output, given, upstream) for output in (found, expected))
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


def test_the_product_is_exact_to_fp32_and_not_rounded_to_a_shorter_format():
    """1 + 2^-12 is 1 in bf16 and tf32, and 16 (1 + 2^-12)^2 = 16 + 2^-7 + 2^-20, 0.0078 away from 16."""
    left = torch.full((64, 16), 1 + 2.0**-12)
    assert torch.allclose(linear(left, left), torch.tensor(16 + 2.0**-7), rtol=0, atol=1e-5)


def test_a_model_keeps_its_weights_names_and_types():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    before = dict(model.state_dict())
    use_fast_products(model)
    assert isinstance(model[0], FastLinear)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_autocast_and_double_keep_torchs_own_product():
    states, weight = torch.randn(3, 4), torch.randn(2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(states, weight).dtype == torch.bfloat16
    assert linear(states.double(), weight.double()).dtype == torch.float64
