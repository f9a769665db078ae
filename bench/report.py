"""The one form in which everything measured is written, printed and judged.

    report = Report("how fast is DPO against TRL?")
    report.add("pairs per second", "1/s", ours, rival=theirs, must="not slower", ok=ours >= theirs)
    raise SystemExit(report.finish(Path("var/bench/dpo.json")))

The file holds {commit, machine, question, at, rows: [{name, unit, value, rival, ratio, must, ok}], …}.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Row:
    """One figure and the condition it must meet; `ratio` is value over rival."""

    name: str
    unit: str
    value: float | None
    rival: float | None
    ratio: float | None
    must: str
    ok: bool


@dataclass
class Report:
    """Rows that answer one question, with whatever else belongs into the file."""

    question: str
    extra: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def add(self, name: str, unit: str, value: float, *, must: str, ok: bool, rival: float | None = None) -> None:
        """Add a row; a value that is not finite is written as null and never ok."""
        if math.isfinite(value):
            self.rows.append(Row(name, unit, value, rival, value / rival if rival else None, must, bool(ok)))
        else:
            self.rows.append(Row(name, unit, None, rival, None, must, False))

    def finish(self, path: Path) -> int:
        """Write the file, print the table; return the exit status: 0 only if there are rows and every one is ok."""
        self.write(path)
        print(self.table())
        print(f"Written to {path}.")
        return 0 if self.rows and all(row.ok for row in self.rows) else 1

    def write(self, path: Path) -> None:
        """Write the file with the rows so far."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n")

    def as_json(self) -> dict[str, Any]:
        """The file's content."""
        return {
            "commit": commit(),
            "machine": machine(),
            "question": self.question,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "rows": [asdict(row) for row in self.rows],
            **self.extra,
        }

    def table(self) -> str:
        """The rows as aligned text."""
        header = ("name", "value", "rival", "ratio", "unit", "must", "")
        lines = [header, *(cells(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
        text = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join([self.question, *(line.rstrip() for line in text)])


def cells(row: Row) -> tuple[str, ...]:
    """One row as it is printed."""
    figures = (row.value, row.rival, row.ratio)
    return (
        row.name,
        *("–" if figure is None else f"{figure:.4g}" for figure in figures),
        row.unit,
        row.must,
        "ok" if row.ok else "FAILED",
    )


def commit() -> str:
    """The commit that was measured, with a + if the tree differs from it."""
    try:
        head = git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def git(*arguments: str) -> str:
    """What git answers."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def machine() -> str:
    """What a reader needs to judge the figures: processor, cores, memory, system, Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    cores = len(os.sched_getaffinity(0))
    return f"{processor()}, {cores} cores, {memory:.0f} GiB, {platform.platform()}, Python {platform.python_version()}"


def processor() -> str:
    """The processor's name, where the system tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
