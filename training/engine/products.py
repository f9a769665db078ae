"""fp32 matrix products on x86 CPUs by oneDNN instead of the BLAS that torch is built with.

torch sends bf16 products to oneDNN but fp32 ones to MKL, which takes a slow path on processors that are not Intel's:
230 against 485 GFLOP/s on two cores of an EPYC 9005. Both compute in fp32 and differ in rounding only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WORTHWHILE = 1 << 20
"""Multiplications below which a call's fixed cost, 15 microseconds, outweighs what it saves."""


def use_fast_products(model: nn.Module) -> None:
    """Make every linear layer of a model on the CPU multiply by oneDNN; names, weights and state stay as they are."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return
    for module in model.modules():
        if type(module) is nn.Linear and module.weight.device.type == "cpu":
            module.__class__ = FastLinear


class FastLinear(nn.Linear):
    """nn.Linear with another matrix product where it pays."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


def linear(states: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """F.linear; states [..., in], weight [out, in]."""
    if _plain(states, weight):
        return F.linear(states, weight, bias)
    if not torch.is_grad_enabled():
        return product(states, weight, bias)
    output: Tensor = _Linear.apply(states, weight, bias)
    return output


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """left @ right.T (+ bias), without gradients; either side may be a transposed view."""
    if left.dtype != torch.float32 or left.device.type != "cpu":
        return F.linear(left, right, bias)
    result: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")
    return result


def _plain(states: Tensor, weight: Tensor) -> bool:
    """Whether torch's own product is the better one here: other formats (autocast, double), or too little work."""
    both_fp32 = states.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled(states.device.type)
    return not both_fp32 or states.device.type != "cpu" or states.numel() * weight.shape[0] < WORTHWHILE


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(states, weight)
        return product(states, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        states, weight = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1])
        of_states, of_weight, of_bias = ctx.needs_input_grad
        return (
            product(rows, weight.t()).view(states.shape) if of_states else None,
            product(rows.t(), states.reshape(-1, states.shape[-1]).t()) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )
