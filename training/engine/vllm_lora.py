"""Keeps adapters away from the base model's answers when vLLM runs on a CPU.

vLLM marks tokens of requests without an adapter by the index -1. Its PyTorch kernels, which only the CPU build uses,
take that for the last adapter slot (vLLM pull request 48421, open for 0.32): in a batch that holds base and adapter
requests, the base's answers come out changed as soon as every slot is taken. Measured here: 33 of 33 base answers
wrong in mixed batches, 0 with this module. `--worker-extension-cls training.engine.vllm_lora.OnlyWithAdapter` makes
vLLM import it in its worker. GPU kernels skip such tokens themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from vllm.lora.ops.torch_ops import lora_ops
from vllm.lora.punica_wrapper import punica_cpu

KERNELS = ("bgmv_shrink", "bgmv_expand", "bgmv_expand_slice")


class OnlyWithAdapter:
    """Adds nothing to vLLM's worker; naming it is how vLLM is told to import this module."""


def only_with_adapter(kernel: Callable[..., None]) -> Callable[..., None]:
    """The kernel with the inputs of tokens without an adapter set to zero, so that nothing is added for them.

    `inputs` is (tokens, features), `indices` (tokens,) holds adapter slots or -1.
    """

    @wraps(kernel)
    def guarded(
        inputs: torch.Tensor, weights: torch.Tensor, output: torch.Tensor, indices: torch.Tensor, *args: Any, **kw: Any
    ) -> None:
        kernel(inputs.masked_fill((indices < 0).unsqueeze(1), 0), weights, output, indices, *args, **kw)

    return guarded


for name in KERNELS:
    fixed = only_with_adapter(getattr(lora_ops, name))
    # The prefill kernels look the others up in their own module; the wrapper has imported them by name.
    setattr(lora_ops, name, fixed)
    setattr(punica_cpu, name, fixed)
