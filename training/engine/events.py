"""The writer of RUN_DIR/events.jsonl, which the worker tails; docs/ARCHITECTURE.md lists the kinds and their keys."""

from __future__ import annotations

import fcntl
import json
import time
from pathlib import Path
from typing import Any


class EventWriter:
    """Appends one JSON object a line and closes the file again: a reader sees whole lines while the run goes on."""

    def __init__(self, path: Path, attempt: int, *, silent: bool = False) -> None:
        """`silent`: one of several processes that share a run; only a failure of its own is worth a word."""
        self._path = path
        self._attempt = attempt
        self._silent = silent
        self._before = "\n" if _ends_torn(path) else ""

    def emit(self, kind: str, step: int = 0, **values: Any) -> None:
        """Write one event; raises ValueError on a number that JSON cannot hold (NaN, infinity)."""
        if self._silent:
            return
        event = {"at": round(time.time(), 3), "attempt": self._attempt, "kind": kind, "step": step, **values}
        line = json.dumps(event, ensure_ascii=False, allow_nan=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{self._before}{line}\n")
        self._before = ""
        if text := _log_line(kind, step, values):
            print(text, flush=True)

    def fail(self, reason: str, remedy: str) -> None:
        """Say why the attempt ended, unless another process of it has said so."""
        with self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            if not any(_is_failure(line, self._attempt) for line in file):
                self._silent = False
                self.emit("failed", reason=reason, remedy=remedy)

    def notice(self, message: str, *, level: str = "info", step: int = 0) -> None:
        """Tell people something that is not a number."""
        self.emit("notice", step, level=level, message=message)


def _log_line(kind: str, step: int, values: dict[str, Any]) -> str:
    """The same as a line of trainer.log; empty for kinds that only a page can show."""
    match kind:
        case "stage":
            return f"{values['name']} …"
        case "metrics":
            return f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in values["values"].items())
        case "notice":
            return f"{values['level']}: {values['message']}"
        case "failed":
            return f"failed: {values['reason']} {values['remedy']}"
    return ""


def _is_failure(line: bytes, attempt: int) -> bool:
    try:
        event = json.loads(line)
    except ValueError:
        return False
    return isinstance(event, dict) and event.get("kind") == "failed" and event.get("attempt") == attempt


def _ends_torn(path: Path) -> bool:
    """Whether a killed attempt left half a line, which must not swallow the next event."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"
