"""Run processes of the Procfile under honcho: `python -m tooling.processes GUIDE NAME …`.

The guide is the process that talks to the person: its lines go to the terminal. Every other process writes to a log
file in ALIGNAPP_HOME/log, so that the terminal stays calm. When one process ends, honcho ends all; the exit status is
the guide's own if it ended first, and never 0 if another did.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any, TextIO

import honcho.manager
from honcho.environ import parse_procfile
from honcho.printer import Printer

from tooling.descendants import end_with_parent

ROOT = Path(__file__).resolve().parent.parent
STOPPED = re.compile(r"(\S+) stopped \(rc=(-?\d+)\)")

# After this many seconds honcho kills what has not ended: longer than a trainer may take for its checkpoint
# (TRAINER_STOP_GRACE, 30), since its worker waits for it and then records how it ended.
honcho.manager.KILL_WAIT = 40


class CalmPrinter(Printer):
    """Prints the guide's lines; keeps honcho's own in a log, and remembers who stopped first."""

    def __init__(self, guide: str, log: TextIO) -> None:
        super().__init__(sys.stdout)
        self.guide = guide
        self.log = log
        self.first_stopped: tuple[str, int] | None = None

    def write(self, message: Any) -> None:
        """Take one message of honcho's: a line of the guide, or a notice about a process."""
        if message.name == self.guide:
            super().write(message)
            return
        self.log.write(message.data)
        stopped = STOPPED.match(message.data)
        # honcho stops the others when one has stopped, so only the first did it by itself.
        if stopped and self.first_stopped is None:
            self.first_stopped = (stopped[1], int(stopped[2]))


def main(guide: str, names: list[str]) -> int:
    """Run the guide and the named processes until one ends or a signal comes; return the exit status."""
    end_with_parent()
    folder = Path(os.environ["ALIGNAPP_HOME"], "log")
    folder.mkdir(parents=True, exist_ok=True)
    procfile = parse_procfile((ROOT / "Procfile").read_text()).processes
    with (folder / "supervisor.log").open("w", buffering=1) as log:
        printer = CalmPrinter(guide, log)
        manager = honcho.manager.Manager(printer)
        for name in names:
            manager.add_process(name, to_log(procfile[name], log_file(name)), cwd=str(ROOT))
        manager.add_process(guide, procfile[guide], cwd=str(ROOT))
        manager.loop()
    return exit_status(printer, guide, manager.returncode)


def log_file(name: str) -> Path:
    """Where a process writes."""
    return Path(os.environ["ALIGNAPP_HOME"], "log", f"{name}.log")


def to_log(command: str, path: Path) -> str:
    """The shell command with its output in a file begun anew.

    Not through honcho's pipe: honcho waits for the pipe's end, and a trainer that outlives its worker holds it open.
    """
    return f"{{ {command}; }} > {shlex.quote(str(path))} 2>&1"


def exit_status(printer: CalmPrinter, guide: str, returncode: int) -> int:
    """The status to end with; tells about a process that should not have ended."""
    if returncode in (130, 143) or printer.first_stopped is None:
        return returncode
    name, status = printer.first_stopped
    if name == guide:
        return status if status >= 0 else 128 - status
    log = log_file(name)
    print(f"\n{name} ended with status {status}, so everything was stopped. The end of {log}:", flush=True)
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    print("\n".join(f"  {line}" for line in lines), flush=True)
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2:]))
