"""Norms and gated units of Llama-like layers on the CPU, with backward passes by hand.

Between matrix products a CPU waits for memory, so what counts is how often a tensor is read and written. These
functions keep their inputs and nothing else, and under autocast a norm writes bf16 at once, where automatic
differentiation keeps up to four tensors and the norm's output is converted anew for every layer that reads it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FAMILIES = ("Llama", "Mistral", "Qwen2", "Qwen3")
"""Architectures whose norm is x / rms(x) * w and whose feed-forward is down(silu(gate) * up)."""


def use_fused_layers(model: nn.Module) -> None:
    """Let the layers of these families compute by the functions below; names, weights and state stay as they are.

    The norm after the last layer stays: what reads it may want fp32.
    """
    for name, module in model.named_modules():
        kind = type(module).__name__
        if ".layers." in f".{name}" and kind in {f"{family}RMSNorm" for family in FAMILIES}:
            module.__class__ = FusedNorm
        elif kind in {f"{family}MLP" for family in FAMILIES} and _is_silu(module):
            module.__class__ = FusedGatedUnit


def _is_silu(module: Any) -> bool:
    return str(module.config.hidden_act) in {"silu", "swish"}


class FusedNorm(nn.Module):
    """x / sqrt(mean x² + eps) * w."""

    weight: Tensor
    variance_epsilon: float

    def forward(self, hidden_states: Tensor) -> Tensor:
        device = hidden_states.device.type
        short = torch.is_autocast_enabled(device)
        format = torch.get_autocast_dtype(device) if short else hidden_states.dtype
        output: Tensor = _Norm.apply(hidden_states, self.weight, self.variance_epsilon, format)
        return output


class FusedGatedUnit(nn.Module):
    """down(silu(gate x) * up x)."""

    gate_proj: nn.Module
    up_proj: nn.Module
    down_proj: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.down_proj(_Gated.apply(self.gate_proj(x), self.up_proj(x)))
        return output


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float, format: torch.dtype) -> Tensor:
        squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_()
        inverse = squares.div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        return (x * inverse).mul_(weight).to(format)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """With n = x / rms: dw = sum dy n, and dx = (h - n mean(h n)) / rms for h = dy w."""
        x, weight, inverse = ctx.saved_tensors
        gradient = gradient.float()  # products of mixed formats are slow on CPUs
        normed = x * inverse
        of_states = gradient * weight
        of_weight = (gradient * normed).flatten(0, -2).sum(0) if ctx.needs_input_grad[1] else None
        along = (of_states * normed).mean(-1, keepdim=True)
        return of_states.sub_(normed.mul_(along)).mul_(inverse).to(x.dtype), of_weight, None, None


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        of_gate = torch.ops.aten.silu_backward(gradient * up, gate)
        return of_gate, F.silu(gate).mul_(gradient)
