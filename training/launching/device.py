"""The machine that a run would train on: name, memory and speed, found without torch.

A GPU is described by its driver; a processor's speed is measured once per process with one matrix product.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

GIB = 1024**3
MATRIX_SIDE = 1024


@dataclass(frozen=True, slots=True)
class Device:
    """What an estimate needs to know of a device; `flops_per_second` is None where nothing measured it."""

    kind: str
    name: str
    memory_bytes: int
    flops_per_second: float | None


@lru_cache(maxsize=1)
def this_device() -> Device:
    """The first GPU that the driver names, else this machine's processor."""
    return _gpu() or Device("cpu", "processor", processor_memory(), _matrix_product_rate())


def processor_memory(root: Path = Path("/")) -> int:
    """Bytes that a process here may use: the machine's memory, or the container's limit where that is smaller."""
    meminfo = (root / "proc/meminfo").read_text()
    total = int(next(line.split()[1] for line in meminfo.splitlines() if line.startswith("MemTotal"))) * 1024
    limit = root / "sys/fs/cgroup/memory.max"
    if limit.is_file() and (value := limit.read_text().strip()).isdigit():
        return min(total, int(value))
    return total


def _gpu() -> Device | None:
    if not (program := shutil.which("nvidia-smi")):
        return None
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True).stdout.splitlines()
    except (subprocess.SubprocessError, OSError):
        return None
    if not lines:
        return None
    name, mebibytes = lines[0].rsplit(",", 1)
    return Device("cuda", name.strip(), int(mebibytes) * 1024 * 1024, None)


def _matrix_product_rate() -> float:
    """Floating-point operations per second of a square fp32 product; the best of three."""
    import numpy as np

    matrix = np.ones((MATRIX_SIDE, MATRIX_SIDE), dtype=np.float32)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return 2 * MATRIX_SIDE**3 / min(seconds)
