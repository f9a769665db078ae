"""Attention on the CPU, one example after the other: no padding, no mask over all pairs of positions.

A batch is then a single row of all its tokens, so that everything but attention works on exactly these, and
attention sees an example as a block of its own. Fused attention is called per example, always in fp32: on CPUs the
backward pass of bf16 attention is slower, and for a small model it took as long as all the rest. Short examples in
bf16 are four matrix products each, which oneDNN multiplies in a third of that time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

SEGMENTED = "segmented"
"""The name under which models find `_attention`; they need no mask for it when they are given segments."""

MOST_IN_PRODUCTS = 256
"""Tokens of an example up to which its bf16 probabilities [heads, n, n] may be kept for the backward pass."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens start to end of the row attend to each other as `mask` [n, n] says, 0 or -inf."""

    start: int
    end: int
    mask: Tensor


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    segments: Sequence[Segment] | None = None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """[1, heads, N, d] each -> [1, N, heads, d]; without segments the mask decides, in fp32."""
    if segments is None:
        return _by_mask(module, query, key, value, attention_mask, scaling=scaling, **options)
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    kernel: type[Any] = _Segmented
    if value.dtype == torch.bfloat16 and all(s.end - s.start <= MOST_IN_PRODUCTS for s in segments):
        kernel, query, key = _InProducts, query.to(value.dtype), key.to(value.dtype)
    output: Tensor = kernel.apply(query, key, value, segments, scaling)
    return output, None


def _by_mask(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    if mask is not None and mask.is_floating_point():
        mask = mask.float()
    with torch.autocast("cpu", enabled=False):
        output, _ = sdpa_attention_forward(module, query.float(), key.float(), value.float(), mask, **options)
    return output.to(query.dtype), None


AttentionInterface.register(SEGMENTED, _attention)
AttentionMaskInterface.register(SEGMENTED, sdpa_mask)

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


class _Segmented(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, segments: Sequence[Segment], scale: float | None
    ) -> Tensor:
        _, heads, tokens, width = query.shape
        output = query.new_empty(1, tokens, heads, width).transpose(1, 2)
        sums = []
        for segment in segments:
            part = slice(segment.start, segment.end)
            rows = [t[:, :, part].float() for t in (query, key, value)]
            output[:, :, part], of_part = _forward(*rows, attn_mask=segment.mask, scale=scale)
            sums.append(of_part)
        ctx.save_for_backward(query, key, value, output, *sums)
        ctx.segments, ctx.scale = segments, scale
        return output.transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, *sums = ctx.saved_tensors
        gradient = gradient.transpose(1, 2)
        found = [torch.empty_like(t) for t in (query, key, value)]
        for segment, of_part in zip(ctx.segments, sums, strict=True):
            part = slice(segment.start, segment.end)
            rows = [t[:, :, part].float() for t in (gradient, query, key, value, output)]
            parts = _backward(*rows, of_part, 0.0, False, attn_mask=segment.mask, scale=ctx.scale)
            for whole, piece in zip(found, parts, strict=True):
                whole[:, :, part] = piece
        return *found, None, None


class _InProducts(torch.autograd.Function):
    """softmax(scale Q K^T + mask) V with the softmax in fp32 and the products in bf16, as fused kernels on GPUs do."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, segments: Sequence[Segment], scale: float | None
    ) -> Tensor:
        _, heads, tokens, width = query.shape
        scale = width**-0.5 if scale is None else scale
        output = query.new_empty(tokens, heads, width).transpose(0, 1)
        kept = []
        for segment in segments:
            q, k, v = (t[0, :, segment.start : segment.end].contiguous() for t in (query, key, value))
            scores = torch.bmm(q, k.mT).float().mul_(scale).add_(segment.mask)
            shares = scores.softmax(-1).to(q.dtype)
            output[:, segment.start : segment.end] = torch.bmm(shares, v)
            kept.append(shares)
        ctx.save_for_backward(query, key, value, *kept)
        ctx.segments, ctx.scale = segments, scale
        return output.transpose(0, 1)[None]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """With P the shares: dV = P^T dO, dS = P (dO V^T - sum P dO V^T), dQ = scale dS K, dK = scale dS^T Q."""
        query, key, value, *kept = ctx.saved_tensors
        found = [torch.empty_like(t) for t in (query, key, value)]
        for segment, shares in zip(ctx.segments, kept, strict=True):
            part = slice(segment.start, segment.end)
            q, k, v = (t[0, :, part].contiguous() for t in (query, key, value))
            g = gradient[0, part].transpose(0, 1).contiguous()
            of_shares = torch.bmm(g, v.mT).float()
            of_scores = torch._softmax_backward_data(of_shares, shares.float(), -1, torch.float32)
            of_scores = of_scores.mul_(ctx.scale).to(q.dtype)
            pieces = torch.bmm(of_scores, k), torch.bmm(of_scores.mT, q), torch.bmm(shares.mT, g)
            for whole, piece in zip(found, pieces, strict=True):
                whole[0, :, part] = piece
        return *found, None, None
