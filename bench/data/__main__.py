"""`python -m bench.data [--only noise …]`: what the data report finds, what cleaning pays, how fast all of it is."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from bench.report import ROOT, Report

QUESTIONS = ("planted", "noise", "coverage", "reporting", "importing", "browsing", "cleaning_pays")
"""One module of this package each; its `measure(report)` adds rows. The last one trains, and takes longest."""


def main() -> int:
    options = _options()
    report = Report("preference data that can be trusted")
    for question in options.only:
        print(f"{question} …", flush=True)
        measure: Callable[[Report], None] = import_module(f"bench.data.{question}").measure
        measure(report)
    return report.finish(options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.data", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, default=list(QUESTIONS), help="questions")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench" / "data.json")
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    sys.exit(main())
