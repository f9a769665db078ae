"""The web processes, kept small: `python -OO -m alignapp.web --host 127.0.0.1 --port 8000`.

Each must stay below 200 MB while it shows pages over DuckDB; what needs Arrow is a worker's. There are WEB_PROCESSES of
them, under one of uvicorn's that starts them anew when they die. -OO drops the docstrings of a thousand modules (8 MB),
and none of our checks is an assert.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from importlib import import_module
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

from alignapp import environment

if TYPE_CHECKING:
    from alignapp.asgi import Handler

# From glibc's malloc.h. Freed memory goes back to the system at once, and threads share one arena.
M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8
MADV_DONTNEED = 4  # Linux's
# What is free below the top of the heap goes back only when asked: 10 MB of what compiling modules and DuckDB left.
SECONDS_BETWEEN_TRIMS = 1.0
# Whoever waits for nothing but people frees nothing.
LEAST_WORK = 0.1
# What takes too much memory: Arrow with its Parquet and compute 33 to 45 MB, pandas 80.
LEFT_TO_WORKERS = {"pandas", "pyarrow"}
# What libraries load because it is installed, and nobody asks for here: guesses of encodings (numpy's f2py), measures
# of itself (redis-py), files that change (uvicorn). 5 MB.
UNUSED = {"charset_normalizer", "opentelemetry", "watchfiles"}


class PackagesRefused(MetaPathFinder):
    """Says that some packages are not installed: a page that needs one fails where it is tested, and a library that
    only uses one if it is there does without."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        """Nothing, except for these."""
        if name in LEFT_TO_WORKERS:
            raise ModuleNotFoundError(f"The web process does without {name}; leave it to a worker.", name=name)
        if name in UNUSED:
            raise ModuleNotFoundError(f"The web process does without {name}.", name=name)


def stay_small() -> None:
    """Set what allocators and libraries read when they start; malloc's where the C library has them."""
    sys.meta_path.insert(0, PackagesRefused())
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    library = ctypes.CDLL(None)
    if mallopt := getattr(library, "mallopt", None):
        mallopt(M_TRIM_THRESHOLD, 128 * 1024)
        mallopt(M_ARENA_MAX, 1)
    if hasattr(library, "malloc_trim"):
        threading.Thread(target=_give_back, args=[library], daemon=True).start()


def _give_back(library: ctypes.CDLL) -> None:
    """Return what is free to the system whenever the process has worked for a while; it takes 2 to 5 ms."""
    worked = 0.0
    while True:
        time.sleep(SECONDS_BETWEEN_TRIMS)
        if time.process_time() - worked > LEAST_WORK:
            library.malloc_trim(0)
            for start, length in _code_of_duckdb():
                library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), MADV_DONTNEED)
            worked = time.process_time()


def _code_of_duckdb() -> list[tuple[int, int]]:
    """Where the machine code of DuckDB lies, as address and length; nothing until it has been loaded.

    What queries have touched of it is 40 MB, which would stay resident for ever. The system keeps the file once for all
    processes, and mapping it again takes the next query less than can be measured on a busy machine.
    """
    if "duckdb" not in sys.modules:
        return []
    with open("/proc/self/maps") as lines:
        found = [line.split(maxsplit=5) for line in lines if "_duckdb" in line]
    ends = [ends.split("-") for ends, rights, *_ in found if rights == "r-xp"]  # nobody has written there
    return [(int(start, 16), int(end, 16) - int(start, 16)) for start, end in ends]


def end_with_parent() -> None:
    """Stop when the process above has died, however: nobody would replace this one, and it would hold the port."""

    def wait() -> None:
        if above := multiprocessing.parent_process():
            above.join()
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def application() -> Handler:
    """What a process serves."""
    end_with_parent()
    from alignapp import garbage
    from alignapp.asgi import application

    load_ahead()
    garbage.leave_what_is_there()
    return application


def load_ahead() -> None:
    """Do what the first requests would wait for; Django is set up."""
    import_module("alignapp.urls")  # every view
    import_module("kombu.transport.redis")  # the first form that calls workers
    from training.preferences.checks.identity import rules_digest

    rules_digest()  # the first page about a version


def main() -> None:
    """Serve the application until told to stop."""
    parser = argparse.ArgumentParser(prog="python -OO -m alignapp.web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    stay_small()
    import uvicorn  # after that: it looks for what is refused

    uvicorn.run(
        "alignapp.web:application",
        factory=True,
        host=given.host,
        port=given.port,
        workers=environment.integer("WEB_PROCESSES", 2, minimum=1),
        timeout_worker_healthcheck=60,  # a busy machine is no dead process
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        timeout_keep_alive=75,  # longer than people read: a judgement then finds its connection open
    )


if __name__ == "__mp_main__":  # one of several
    stay_small()
if __name__ == "__main__":
    main()
