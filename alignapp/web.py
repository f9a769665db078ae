"""The web process, kept small: `python -OO -m alignapp.web --host 127.0.0.1 --port 8000`.

It must stay below 200 MB while it shows pages over DuckDB and seals pairs with Arrow. Asyncio and h11 are quick enough
for people who read; -OO drops the docstrings of a thousand modules (8 MB), and none of our checks is an assert.
"""

from __future__ import annotations

import argparse
import ctypes
import os

import uvicorn

# From glibc's malloc.h. Freed memory goes back to the system at once, and threads share one arena.
M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8


def stay_small() -> None:
    """Set what allocators and libraries read when they start; does nothing on a C library without mallopt."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
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
    )


if __name__ == "__main__":
    main()
