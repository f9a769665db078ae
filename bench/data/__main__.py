"""`python -m bench.data [--only noise …]`: what the data report finds, what cleaning pays, how fast all of it is.

Every part is written when it is done, and parts that are not measured now stay in the file as they were: one call of
everything and a call for each part leave the same. A part that breaks off is a row that failed, and the next begins.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.report import ROOT, Report

QUESTIONS = ("planted", "noise", "coverage", "reporting", "importing", "browsing", "cleaning_pays")
"""One module of this package each; its `measure(report)` adds rows. The last one trains, and takes longest."""
WHOLE = "preference data that can be trusted"


def main() -> int:
    options = _options()
    reports = [_measured(question, options.out) for question in options.only]
    print(f"Written to {options.out}.")
    return 0 if all(report.rows and all(row.ok for row in report.rows) for report in reports) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.data", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, default=list(QUESTIONS), help="questions")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench" / "data.json")
    return parser.parse_args()


def _measured(question: str, out: Path) -> Report:
    """One part, measured, printed and written."""
    print(f"{question} …", flush=True)
    report, start = Report(question), time.monotonic()
    try:
        measure: Callable[[Report], None] = import_module(f"bench.data.{question}").measure
        measure(report)
    except Exception as error:
        traceback.print_exc()
        report.add(f"{question} ({type(error).__name__})", "", math.nan, must="runs to its end", ok=False)
    _write(out, question, report.as_json() | {"seconds": round(time.monotonic() - start)})
    print(report.table(), flush=True)
    return report


def _write(out: Path, question: str, measured: dict[str, Any]) -> None:
    """The file with this part in the place of what it held of it: {question, parts: {name: …}, rows of all parts}."""
    parts: dict[str, Any] = json.loads(out.read_text()).get("parts", {}) if out.is_file() else {}
    parts[question] = measured
    parts = {name: parts[name] for name in QUESTIONS if name in parts}
    rows = [{"part": name, **row} for name, part in parts.items() for row in part["rows"]]
    whole = {key: measured[key] for key in ("commit", "machine", "at")}
    text = json.dumps({**whole, "question": WHOLE, "rows": rows, "parts": parts}, indent=2) + "\n"
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    partial.write_text(text)
    os.replace(partial, out)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    sys.exit(main())
