"""Ending process groups on this host, and making sure that they are gone."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def group_exists(group: int) -> bool:
    """Whether any process of the group is left, zombies included."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def leader_runs(group: int, text: str) -> bool:
    """Whether the group's leader still is a process with `text` on its command line: ids are used again."""
    try:
        return text in Path(f"/proc/{group}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False


def end_group(group: int, *, grace: float) -> None:
    """SIGTERM, up to `grace` seconds to end in peace, then SIGKILL; returns when no live process is left."""
    if grace > 0:
        _signal(group, signal.SIGTERM)
        _wait(group, grace)
    _signal(group, signal.SIGKILL)
    _wait(group, 10)


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _wait(group: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _alive(group) and time.monotonic() < deadline:
        time.sleep(0.05)


def _alive(group: int) -> bool:
    """Whether a process of the group lives; a zombie waits for its parent only and holds no memory."""
    if not group_exists(group):
        return False
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(process_group) == group and state not in "ZX":
            return True
    return False
