"""What the machine can do: GFLOP/s of a 2048³ product, 8192³ on a GPU. `python -m bench.train.product OUT.json`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from bench.train.measuring import CORES
from training.engine.products import product

SIDE = 2048
REPEATS = 20


def gflops(multiply: Callable[[], Tensor]) -> float:
    """Of the fastest of several products: the others shared the machine with something."""
    side = len(multiply())
    fastest = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        multiply()[0, 0].item()  # waits for a device that computes on its own
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * side**3 / fastest / 1e9


def main() -> None:
    torch.set_num_threads(CORES)
    device, side = ("cuda", 4 * SIDE) if torch.cuda.is_available() else ("cpu", SIDE)
    found = {}
    for precision, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16}.items():
        left, right = torch.randn(2, side, side, device=device).to(dtype)
        found[precision] = {
            "torch": gflops(lambda a=left, b=right: a @ b),  # type: ignore[misc]
            "engine": gflops(lambda a=left, b=right: product(a, b)),  # type: ignore[misc]
        }
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
