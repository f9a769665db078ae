"""Runs a command for as long as standard input stays open: `python -m comparisons.serving.lifeline COMMAND …`.

Whoever started it holds the other end of standard input. When that end closes, because it was closed or because its
owner was killed, the command's whole process group is ended and waited for. The first line of standard output is the
number of that group; the command writes to standard error. The exit status is the command's own (128 + signal).
Imports little, so that it costs a few megabytes.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading

from training.runs.process_groups import end_group

GRACE = 15.0  # seconds that vLLM gets to end its workers itself


def main(command: list[str]) -> int:
    """Run the command; return its exit status."""
    # SIGTERM means the same as a closed standard input.
    told_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.set())
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
    print(process.pid, flush=True)
    while process.poll() is None and not told_to_end.is_set() and is_held(0.2):
        pass
    end_group(process.pid, grace=GRACE)
    status = process.wait()
    return status if status >= 0 else 128 - status


def is_held(seconds: float) -> bool:
    """Whether standard input is still open after so many seconds; returns at once when it closes."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return not readable or bool(os.read(sys.stdin.fileno(), 1024))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
