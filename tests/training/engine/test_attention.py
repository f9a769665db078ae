"""Attention by matrix products, which short examples in bf16 take, against the fused kernel in fp32."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.engine.attention import Segment, _InProducts, _Segmented

LENGTHS = (7, 12, 1)
HEADS, WIDTH = 2, 8
ROUNDING = 2e-2
"""bf16 keeps 8 bits: a relative error of 0.4 % per product, of which a value passes through a few."""


def segments() -> list[Segment]:
    """Three examples one after the other; each token sees itself and what is before it."""
    found, start = [], 0
    for length in LENGTHS:
        hidden = torch.ones(length, length).triu(1).bool()
        found.append(Segment(start, start + length, torch.zeros(length, length).masked_fill(hidden, -torch.inf)))
        start += length
    return found


def attend(kernel: type[torch.autograd.Function], dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Output and the gradients of query, key and value, in fp32, for the same random input."""
    torch.manual_seed(0)
    shape = (1, HEADS, sum(LENGTHS), WIDTH)
    inputs = [torch.randn(shape).to(dtype).requires_grad_() for _ in range(3)]
    output = kernel.apply(*inputs, segments(), None)
    output.backward(torch.randn(output.shape).to(dtype))
    return output.detach().float(), *(t.grad.float() for t in inputs if t.grad is not None)


@pytest.mark.parametrize("part", [0, 1, 2, 3], ids=["output", "query", "key", "value"])
def test_products_agree_with_the_fused_kernel_to_bf16_rounding(part: int) -> None:
    fused = attend(_Segmented, torch.float32)[part]
    products = attend(_InProducts, torch.bfloat16)[part]
    assert products.shape == fused.shape
    assert (products - fused).norm() <= ROUNDING * fused.norm()


@pytest.mark.parametrize("part", [0, 1, 2, 3], ids=["output", "query", "key", "value"])
def test_products_are_the_fused_kernel_in_fp32(part: int) -> None:
    fused, products = (attend(kernel, torch.float32)[part] for kernel in (_Segmented, _InProducts))
    torch.testing.assert_close(products, fused, rtol=1e-5, atol=1e-6)


def test_tokens_of_one_example_do_not_see_another() -> None:
    output = attend(_InProducts, torch.float32)[0]
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, HEADS, sum(LENGTHS), WIDTH) for _ in range(3))
    key[:, :, LENGTHS[0] :], value[:, :, LENGTHS[0] :] = 100.0, 100.0
    changed = _InProducts.apply(query, key, value, segments(), None)
    torch.testing.assert_close(changed[:, : LENGTHS[0]], output[:, : LENGTHS[0]])
