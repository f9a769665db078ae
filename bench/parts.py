"""A benchmark in parts: each is written when it is done, and parts that are not measured now stay in the file.

One call of everything and a call for each part leave the same file. A part that breaks off is a row that failed, and
the next begins.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.report import ROOT, Report


@dataclass(frozen=True)
class Parts:
    """Questions of a package, one module each, whose `measure(report)` adds rows; `whole` is what all of them ask."""

    package: str
    questions: Sequence[str]
    whole: str

    def main(self, description: str) -> int:
        """Measure what the command line asks for; 0 only if every part has rows and all of them are ok."""
        options = self._options(description)
        reports = [self._measured(question, options.out) for question in options.only]
        print(f"Written to {options.out}.")
        return 0 if all(report.rows and all(row.ok for row in report.rows) for report in reports) else 1

    def _options(self, description: str) -> argparse.Namespace:
        parser = argparse.ArgumentParser(prog=self.package, description=description)
        parser.add_argument("--only", nargs="+", choices=self.questions, default=list(self.questions), help="questions")
        file = f"{self.package.rpartition('.')[2]}.json"
        parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench" / file)
        return parser.parse_args()

    def _measured(self, question: str, out: Path) -> Report:
        """One part, measured, printed and written."""
        print(f"{question} …", flush=True)
        report, start = Report(question), time.monotonic()
        try:
            measure: Callable[[Report], None] = import_module(f"{self.package}.{question}").measure
            measure(report)
        except Exception as error:
            traceback.print_exc()
            report.add(f"{question} ({type(error).__name__})", "", math.nan, must="runs to its end", ok=False)
        self._write(out, question, report.as_json() | {"seconds": round(time.monotonic() - start)})
        print(report.table(), flush=True)
        return report

    def _write(self, out: Path, question: str, measured: dict[str, Any]) -> None:
        """The file with this part in the place of its old self: {question, parts: {name: …}, rows of all parts}."""
        parts: dict[str, Any] = json.loads(out.read_text()).get("parts", {}) if out.is_file() else {}
        parts[question] = measured
        parts = {name: parts[name] for name in self.questions if name in parts}
        rows = [{"part": name, **row} for name, part in parts.items() for row in part["rows"]]
        whole = {key: measured[key] for key in ("commit", "machine", "at")}
        text = json.dumps({**whole, "question": self.whole, "rows": rows, "parts": parts}, indent=2) + "\n"
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = out.with_name(f".{out.name}.partial")
        partial.write_text(text)
        os.replace(partial, out)
