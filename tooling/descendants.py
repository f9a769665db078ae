"""Find and end every process that came from this one, in whatever process group or session it hides.

A process that adopts orphans (Linux: child subreaper) stays the ancestor of a grandchild whose parent died, so a
trainer in its own group or a worker of vLLM cannot get away from it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """From now on, descendants whose parent dies become children of this process."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent() -> None:
    """Send this process SIGTERM when its parent dies, however the parent dies."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def descendants(ancestor: int) -> dict[int, str]:
    """Living processes below `ancestor`: command line by process id. Zombies do not count."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _living_parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found: dict[int, str] = {}
    todo = [ancestor]
    while todo:
        for child in children.get(todo.pop(), []):
            found[child] = _command(child)
            todo.append(child)
    return found


def _living_parent(entry: Path) -> int | None:
    try:
        # "pid (name) state parent …"; the name may hold spaces and parentheses.
        state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else int(parent)


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def end_descendants(grace: float) -> list[str]:
    """SIGTERM every descendant, SIGKILL after `grace` seconds; return the commands that had to be killed.

    Returns when none is left, those that were started meanwhile included.
    """
    me = os.getpid()
    deadline = time.monotonic() + grace
    told: set[int] = set()
    killed: dict[int, str] = {}
    while left := descendants(me):
        overdue = time.monotonic() > deadline
        for process, command in left.items():
            if overdue:
                killed[process] = command
            if overdue or process not in told:
                _signal(process, signal.SIGKILL if overdue else signal.SIGTERM)
                told.add(process)
        _reap()
        time.sleep(0.1)
    _reap()
    return list(killed.values())


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _reap() -> None:
    """Collect children that have ended, adopted ones too."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
