"""Runs a command for as long as standard input stays open: `python -m comparisons.lifeline COMMAND …`.

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
from contextlib import suppress
from types import FrameType

from training.runs.process_groups import end_group

GRACE = 15.0  # seconds that vLLM gets to end its workers itself


class ToldToEnd(Exception):
    """SIGTERM came; it means the same as a closed standard input."""


def main(command: list[str]) -> int:
    """Run the command; return its exit status."""
    signal.signal(signal.SIGTERM, tell_to_end)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
    print(process.pid, flush=True)
    with suppress(ToldToEnd):
        wait_for_either(process)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_group(process.pid, grace=GRACE)
    status = process.wait()
    return status if status >= 0 else 128 - status


def tell_to_end(number: int, frame: FrameType | None) -> None:
    raise ToldToEnd


def wait_for_either(process: subprocess.Popen[bytes]) -> None:
    """Return when the command has ended or standard input has closed."""
    while process.poll() is None:
        readable, _, _ = select.select([sys.stdin], [], [], 0.2)
        if readable and not os.read(sys.stdin.fileno(), 1024):
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
