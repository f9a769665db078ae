"""`python -m bench.rating [--only raters …]`: blind rating at once and unseen, and the statistics to believe it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from bench.report import ROOT, Report

QUESTIONS = ("strengths", "raters", "raters_at_once", "blindness")
"""One module of this package each; its `measure(report)` adds rows."""


def main() -> int:
    options = _options()
    report = Report("blind rating, and the statistics to believe it")
    for question in options.only:
        print(f"{question} …", flush=True)
        measure: Callable[[Report], None] = import_module(f"bench.rating.{question}").measure
        measure(report)
    return report.finish(options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.rating", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, default=list(QUESTIONS), help="questions")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench" / "rating.json")
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
