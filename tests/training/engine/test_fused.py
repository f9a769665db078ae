"""Fused norms and gated units: values and gradients of the layers that they replace."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.training.engine.conftest import save_model
from training.engine.fused import FusedGatedUnit, FusedNorm, use_fused_layers

IDS = torch.tensor([[5, 9, 2, 30, 31, 7]])


@pytest.fixture(params=["llama", "qwen2"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return save_model(tmp_path / "model", request.param)


def load(folder: Path, *, fused: bool) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if fused:
        use_fused_layers(model)
    return model


def gradients(model: PreTrainedModel) -> list[Tensor]:
    model(IDS).logits.square().sum().backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def test_a_fused_model_gives_the_values_and_gradients_of_its_own_layers(folder):
    plain, fused = load(folder, fused=False), load(folder, fused=True)
    assert torch.allclose(fused(IDS).logits, plain(IDS).logits, rtol=1e-5, atol=1e-5)
    expected, found = gradients(plain), gradients(fused)
    assert len(found) == len(expected)
    pairs = zip(found, expected, strict=True)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max())) for a, b in pairs)


def test_the_norms_of_layers_are_fused_and_the_last_one_is_not(folder):
    model = load(folder, fused=True)
    kinds = {name for name, module in model.named_modules() if isinstance(module, FusedNorm)}
    assert len(kinds) == 4
    assert "model.norm" not in kinds
    assert sum(isinstance(module, FusedGatedUnit) for module in model.modules()) == 2


def test_under_autocast_a_norm_rounds_as_the_next_product_would(folder):
    norm = load(folder, fused=True).model.layers[0].input_layernorm
    plain = load(folder, fused=False).model.layers[0].input_layernorm
    states = torch.randn(1, 4, 32)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(norm(states), plain(states).bfloat16())


def test_a_norm_is_differentiated_by_hand():
    """x = (3, 4), w = 1: rms = sqrt(12.5); for dy = (1, 0): dx = (1 - 9 / 25, -12 / 25) / rms."""
    norm = FusedNorm()
    norm.weight, norm.variance_epsilon = torch.ones(2), 0.0
    x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    norm(x)[0, 0].backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, torch.tensor([[0.64, -0.48]]) / 12.5**0.5)


def test_names_and_weights_stay(folder):
    plain, fused = load(folder, fused=False).state_dict(), load(folder, fused=True).state_dict()
    assert list(plain) == list(fused)
    assert all(torch.equal(plain[name], fused[name]) for name in plain)
