"""Run processes of the Procfile under honcho: `python -m tooling.processes GUIDE NAME …`.

The guide is the process that talks to the person: its lines go to the terminal. Every other process has a log file in
ALIGNAPP_HOME/log, so that the terminal stays calm. When one process ends, honcho ends all; the exit status is the
guide's own if it ended first, and never 0 if another did.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any, TextIO

import honcho.manager
from honcho.environ import parse_procfile
from honcho.printer import Printer

from tooling.descendants import end_with_parent

ROOT = Path(__file__).resolve().parent.parent
STOPPED = re.compile(r"(\S+) stopped \(rc=(-?\d+)\)")

# After this many seconds honcho kills what has not ended. A worker may need them to let its trainer write a checkpoint.
honcho.manager.KILL_WAIT = 20


class CalmPrinter(Printer):
    """Prints the guide's lines, files everybody else's, and remembers who stopped first."""

    def __init__(self, guide: str, folder: Path) -> None:
        super().__init__(sys.stdout)
        self.guide = guide
        self.folder = folder
        self.files: dict[str, TextIO] = {}
        self.first_stopped: tuple[str, int] | None = None

    def write(self, message: Any) -> None:
        """Route one message of honcho's by the name of its process."""
        if message.name == self.guide:
            super().write(message)
            return
        text = message.data.decode("utf-8", "replace") if isinstance(message.data, bytes) else message.data
        if message.name == honcho.manager.SYSTEM_PRINTER_NAME:
            self.notice(text)
        self.file(message.name).write(text)

    def notice(self, text: str) -> None:
        """Remember the first process that stopped; honcho then stops the others on purpose."""
        stopped = STOPPED.match(text)
        if stopped and self.first_stopped is None:
            self.first_stopped = (stopped[1], int(stopped[2]))

    def file(self, name: str) -> TextIO:
        """The log of one process, begun anew at every start."""
        if name not in self.files:
            self.files[name] = (self.folder / f"{name}.log").open("w", buffering=1)
        return self.files[name]


def main(guide: str, names: list[str]) -> int:
    """Run the guide and the named processes until one ends or a signal comes; return the exit status."""
    end_with_parent()
    folder = Path(os.environ["ALIGNAPP_HOME"], "log")
    folder.mkdir(parents=True, exist_ok=True)
    printer = CalmPrinter(guide, folder)
    manager = honcho.manager.Manager(printer)
    procfile = parse_procfile((ROOT / "Procfile").read_text())
    for name in [*names, guide]:
        manager.add_process(name, procfile.processes[name], cwd=str(ROOT))
    manager.loop()
    return exit_status(printer, guide, manager.returncode)


def exit_status(printer: CalmPrinter, guide: str, returncode: int) -> int:
    """The status to end with; tells about a process that should not have ended."""
    if returncode in (130, 143) or printer.first_stopped is None:
        return returncode
    name, status = printer.first_stopped
    if name == guide:
        return status if status >= 0 else 128 - status
    log = printer.folder / f"{name}.log"
    print(f"\n{name} ended with status {status}, so everything was stopped. The end of {log}:", flush=True)
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    print("\n".join(f"  {line}" for line in lines), flush=True)
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2:]))
