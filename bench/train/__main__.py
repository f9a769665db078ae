"""`python -m bench.train [--only dpo …] [--seconds 10] [--rounds 2]`: the engine beside TRL, in turn."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from bench.report import ROOT, Report
from bench.train import accelerator, ours, theirs
from bench.train.inputs import WORLD
from bench.train.measuring import Measured, environment
from bench.train.table import CELLS, LIMITS, Cell, Peaks, Result, fill


def main() -> int:
    options = _options()
    if options.device == "cuda":
        return accelerator.compare(options.out, shrunken=options.shrunken)
    cells = [cell for cell in CELLS if cell.method in options.only and (options.size in (None, cell.size))]
    with tempfile.TemporaryDirectory(prefix="bench-train-") as name:
        folder = Path(name)
        peaks = _peaks(folder)
        results = [_compare(cell, folder, options.seconds, options.rounds) for cell in cells]
    packages = {name: version(name) for name in ("torch", "transformers", "trl")}
    report = Report("training beside TRL", extra={"packages": packages, "product_gflops": peaks})
    fill(report, results, peaks)
    return report.finish(options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.train", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(LIMITS), default=list(LIMITS), help="methods")
    parser.add_argument("--size", help="one model size only")
    parser.add_argument("--seconds", type=float, default=10.0, help="least steady state of one measurement")
    parser.add_argument("--rounds", type=int, default=2, help="measurements of either side")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shrunken", action="store_true", help="with cuda: small shapes, on whatever device there is")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench" / "train.json")
    return parser.parse_args()


def _peaks(folder: Path) -> Peaks:
    out = folder / "product.json"
    subprocess.run([sys.executable, "-m", "bench.train.product", str(out)], check=True, env=environment(), cwd=ROOT)
    found: Peaks = json.loads(out.read_text())
    return found


def _compare(cell: Cell, folder: Path, seconds: float, rounds: int) -> Result:
    """Ours and theirs in turn, so that whatever else the machine does meets both."""
    model = _model(folder, cell.size)
    found: dict[str, list[Measured]] = {"ours": [], "theirs": []}
    for number in range(rounds):
        for side, run in (("ours", ours.run), ("theirs", theirs.run)):
            place = folder / f"{cell.method}-{cell.size}-{cell.precision}-{side}-{number}"
            measured = run(place, model, cell.method, cell.precision, seconds)
            print(f"{cell.name} {side}: {measured.per_second:.4g}/s, {measured.peak_bytes / 2**30:.2f} GiB", flush=True)
            found[side].append(measured)
            shutil.rmtree(place)  # a checkpoint is three times the model
    return Result(cell, found["ours"], found["theirs"])


def _model(folder: Path, size: str) -> Path:
    """The model folder of a size, made at its first use and never in this process, which must stay small."""
    if size == WORLD:
        base = folder / WORLD
        return base / "artifact" if base.exists() else ours.train_base(base)
    path = folder / size
    if not path.exists():
        command = [sys.executable, "-m", "bench.train.inputs", str(path), size]
        subprocess.run(command, check=True, env=environment(), cwd=ROOT)
    return path


if __name__ == "__main__":
    sys.exit(main())
