"""A whole report on 100,000 and on 1,000,000 pairs: seconds, and the memory of its process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.report import ROOT, Report

SIZES = (100_000, 1_000_000)
MOST_SECONDS, MOST_BYTES = 120.0, 2 * 2**30


def measure(report: Report) -> None:
    """Add a row for time and one for memory of each size; a million pairs need only finish."""
    with tempfile.TemporaryDirectory(prefix="bench-report-") as name:
        for pairs in SIZES:
            found = _in_a_process(Path(name), pairs)
            limited = pairs == SIZES[0]
            seconds, peak, rules = found["seconds"], found["peak_bytes"], found["findings"]
            print(f"{pairs:,} pairs: {seconds:.1f} s, {peak / 2**30:.2f} GiB, {rules} findings", flush=True)
            must = f"≤ {MOST_SECONDS:.0f} s" if limited else "finishes"
            report.add(f"report on {pairs:,} pairs", "s", seconds, must=must, ok=not limited or seconds <= MOST_SECONDS)
            must = "≤ 2 GiB" if limited else "reported"
            ok = not limited or peak <= MOST_BYTES
            report.add(f"report on {pairs:,} pairs, peak memory", "GiB", peak / 2**30, must=must, ok=ok)


def _in_a_process(folder: Path, pairs: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.data.one_report", str(folder / f"{pairs}"), str(pairs)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
