"""How far the LM head is from fp64 on the device there is: `python -m bench.train.agreement_of_heads OUT.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import Tensor

from training.engine.lm_head import target_log_probs

ROWS, HIDDEN, VOCABULARY = 2_000, 256, 152_000
"""Three chunks on a GPU."""


def main() -> None:
    """Writes the largest relative error of log-probabilities and both gradients, in fp32 and bf16."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    states = torch.randn(ROWS, HIDDEN, device=device)
    weight = torch.randn(VOCABULARY, HIDDEN, device=device) * 0.05
    targets = torch.randint(VOCABULARY, (ROWS,), device=device)
    found = {}
    for name, format in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        h, w = states.to(format), weight.to(format)
        wanted = _by_definition(h.double(), w.double(), targets)
        found[name] = max(map(_apart, _by_hand(h, w, targets), wanted))
    Path(sys.argv[1]).write_text(json.dumps(found))


def _by_hand(h: Tensor, w: Tensor, targets: Tensor) -> list[Tensor]:
    h, w = h.clone().requires_grad_(), w.clone().requires_grad_()
    log_probs = target_log_probs(h, w, targets)
    return [log_probs.detach(), *torch.autograd.grad(log_probs.mean(), [h, w])]


def _by_definition(h: Tensor, w: Tensor, targets: Tensor) -> list[Tensor]:
    """A few rows at a time, with the gradient of the mean: (onehot - p) / rows."""
    log_probs, of_states, of_weight = [], [], torch.zeros_like(w)
    for part, chosen in zip(h.split(250), targets.split(250), strict=True):
        logs = (part @ w.t()).log_softmax(-1)
        log_probs.append(logs.gather(1, chosen[:, None]).squeeze(1))
        slope = -logs.exp()
        slope[torch.arange(len(chosen), device=h.device), chosen] += 1
        slope /= len(h)
        of_states.append(slope @ w)
        of_weight += slope.t() @ part
    return [torch.cat(log_probs), torch.cat(of_states), of_weight]


def _apart(found: Tensor, wanted: Tensor) -> float:
    return float((found.double() - wanted).norm() / wanted.norm())


if __name__ == "__main__":
    main()
