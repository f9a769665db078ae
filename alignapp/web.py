"""The web process, kept small: `python -OO -m alignapp.web --host 127.0.0.1 --port 8000`.

It must stay below 200 MB while it shows pages over DuckDB; what needs Arrow is a worker's. Asyncio and h11 are quick
enough for people who read; -OO drops the docstrings of a thousand modules (8 MB), and none of our checks is an assert.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from importlib.abc import MetaPathFinder
from typing import Any

import uvicorn

# From glibc's malloc.h. Freed memory goes back to the system at once, and threads share one arena.
M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8


# What takes too much memory: Arrow with its Parquet and compute 33 to 45 MB, pandas 80.
LEFT_TO_WORKERS = {"pandas", "pyarrow"}


class LeftToWorkers(MetaPathFinder):
    """Says that these packages are not installed, so that a page that needs one fails where it is tested, and libraries
    that use one if it is there (DuckDB does) do without."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        """Nothing, except for these."""
        if name in LEFT_TO_WORKERS:
            raise ModuleNotFoundError(f"The web process does without {name}; leave it to a worker.", name=name)


def stay_small() -> None:
    """Set what allocators and libraries read when they start; mallopt only where the C library has it."""
    sys.meta_path.insert(0, LeftToWorkers())
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, 128 * 1024)
        mallopt(M_ARENA_MAX, 1)


def main() -> None:
    """Serve the ASGI application until told to stop."""
    parser = argparse.ArgumentParser(prog="python -OO -m alignapp.web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    stay_small()
    uvicorn.run(
        "alignapp.asgi:application",
        host=given.host,
        port=given.port,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        timeout_keep_alive=75,  # longer than people read: a judgement then finds its connection open
    )


if __name__ == "__main__":
    main()
