"""log softmax of the LM head at given tokens, with a backward pass by hand that needs one buffer of logits.

For z = f W h and token y, log p(y) = z_y - log sum exp z, so its gradient in z is onehot(y) - p. The forward pass
leaves e = exp(z - max z) in the buffer of the logits; the backward pass turns e into that gradient in place.
Automatic differentiation would hold logits, log-probabilities and their gradient at once.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training.engine.products import product

MOST_LOGITS = {"cpu": 1 << 24, "cuda": 1 << 27}
"""Most logits alive at once: 64 and 512 MiB in fp32. What does not fit is computed again in the backward pass. A GPU
needs hundreds of rows of a large vocabulary for a product to be more than reading the weights."""

MULTIPLE = 32
"""Rows are filled up to a multiple of this, so that few sizes of large buffers occur; see packing.MULTIPLE."""

_IN_CACHE = 1 << 19
"""Logits that one pass over rows works on at a time on a CPU. A GPU takes all: for three rows of a large vocabulary at
a time it spent nine tenths of a step starting kernels."""


def rows_at_once(vocabulary: int, device: torch.device) -> int:
    """Rows of logits that may be alive at once."""
    return max(1, MOST_LOGITS.get(device.type, MOST_LOGITS["cpu"]) // vocabulary)


def _rows_in_cache(vocabulary: int, device: torch.device) -> int:
    return max(1, _IN_CACHE // vocabulary) if device.type == "cpu" else rows_at_once(vocabulary, device)


def target_log_probs(states: Tensor, weight: Tensor, targets: Tensor, *, factor: float = 1.0) -> Tensor:
    """log softmax(factor * states @ weight.T) at the targets, fp32.

    states [n, hidden], weight [vocabulary, hidden], targets [n] -> [n]; in autocast's format where it is on.
    """
    rows = len(targets)
    missing = -rows % MULTIPLE
    output: Tensor = _TargetLogProbs.apply(
        F.pad(states, (0, 0, 0, missing)), weight, F.pad(targets, (0, missing)), factor
    )
    return output[:rows]


class _TargetLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, targets: Tensor, factor: float) -> Tensor:
        device = states.device.type
        format = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        with torch.autocast(device, enabled=False):
            h, w = states.to(format), weight.to(format)
            rows = rows_at_once(len(w), w.device)
            parts = [_forward(h[i : i + rows], w, targets[i : i + rows], factor) for i in range(0, len(h), rows)]
        whole = len(parts) == 1 and any(ctx.needs_input_grad)
        ctx.save_for_backward(h, w, targets, *(parts[0][1:] if whole else ()))
        ctx.factor, ctx.rows, ctx.formats = factor, rows, (states.dtype, weight.dtype)
        return torch.cat([part[0] for part in parts]) if parts else states.new_empty(0, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        h, w, targets, *kept = ctx.saved_tensors
        of_states, of_weight, *_ = ctx.needs_input_grad
        states = torch.empty_like(h) if of_states else None
        weight: Tensor | None = None
        for i in range(0, len(h), ctx.rows):
            part = slice(i, i + ctx.rows)
            exps, sums = kept or _forward(h[part], w, targets[part], ctx.factor)[1:]
            of_logits = _gradient(exps, sums, targets[part], gradient[part] * ctx.factor)
            if states is not None:
                states[part] = product(of_logits, w.t())
            if of_weight:
                of_part = product(of_logits.t(), h[part].t()).to(ctx.formats[1])
                weight = of_part if weight is None else weight.add_(of_part)
        return (None if states is None else states.to(ctx.formats[0])), weight, None, None


def _forward(h: Tensor, w: Tensor, targets: Tensor, factor: float) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities [n] in fp32, exp(z - max z) [n, vocabulary] in the format of h, their sums [n] in fp32."""
    logits = product(h, w)
    sums = torch.empty(len(h), device=h.device)
    values = logits.gather(1, targets[:, None]).squeeze(1).float() * factor
    rows = _rows_in_cache(len(w), h.device)
    for z, total, value in zip(logits.split(rows), sums.split(rows), values.split(rows), strict=True):
        shifted = z.float() * factor if factor != 1.0 else z.float()
        most = shifted.amax(dim=1)
        shifted.sub_(most[:, None]).exp_()
        total.copy_(shifted.sum(dim=1))
        value.sub_(most).sub_(total.log())
        if shifted.data_ptr() != z.data_ptr():
            z.copy_(shifted)
    return values, logits, sums


def _gradient(exps: Tensor, sums: Tensor, targets: Tensor, gradient: Tensor) -> Tensor:
    """gradient * (onehot(targets) - exps / sums), in place of `exps` [n, vocabulary]."""
    rows = _rows_in_cache(exps.shape[1], exps.device)
    for e, scale in zip(exps.split(rows), (-gradient / sums).split(rows), strict=True):
        e.mul_(scale[:, None])
    at_targets = torch.arange(len(targets), device=targets.device), targets
    return exps.index_put_(at_targets, gradient.to(exps.dtype), accumulate=True)  # scatter_ would copy the whole buffer
