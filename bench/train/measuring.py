"""Running one measurement as a process of its own and reading what it cost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.report import ROOT

CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Measured:
    """Units (pairs or completions) a second in the steady state, and the most bytes the process held at once."""

    per_second: float
    peak_bytes: int
    seconds: float


def environment() -> dict[str, str]:
    """Both sides get every core for their matrix products and ask no model hub."""
    offline = {
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    return {**os.environ, **offline, "OMP_NUM_THREADS": str(CORES), "PYTHONPATH": str(ROOT)}


def measure(command: list[str], log: Path, enough: Callable[[], bool] = lambda: False) -> int:
    """Run a Python module to its end and return its peak resident bytes; SIGTERM ends it once it has done `enough`.

    The peak of a child is never below what its parent held when it started it, so this process must stay small.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=file, stderr=file, env=environment(), cwd=ROOT
        )
        try:
            while not _ended(process.pid) and not enough():
                time.sleep(0.1)
            os.kill(process.pid, signal.SIGTERM)  # at worst a zombie's; Popen would reap it and lose its usage
        except BaseException:
            process.kill()
            raise
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):  # 3: the engine, stopped on request
        tail = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    return usage.ru_maxrss * 1024


def _ended(pid: int) -> bool:
    """Whether a child is over, without taking its resource usage away."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
