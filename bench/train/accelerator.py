"""The same question on a GPU: `python -m bench.train --device cuda`, DPO in bf16 on models of real shapes.

Weights are random; a Llama stands for the shape of Qwen2.5, from which it differs by three bias vectors a layer.
`--shrunken` runs the same path with small shapes on whatever device there is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.report import ROOT, Report
from bench.train import flops, ours, theirs
from bench.train.inputs import BATCH, SHAPES, Shape, pairs
from bench.train.measuring import Measured, environment

GIB = 1 << 30
EPOCHS = 8


@dataclass(frozen=True, slots=True)
class Case:
    """A shape, what is trained of it, how many times 16 to 64 words its texts have, and pairs in memory at once."""

    size: str
    tuning: str
    longer: int
    at_once: int = BATCH


REAL_SHAPES = {
    "qwen2.5-0.5b": Shape(896, 24, 4864, vocabulary=151_936, heads=14, key_heads=2, tied=True),
    "7b": Shape(3584, 28, 18944, vocabulary=152_064, heads=28, key_heads=4),
}
SHRUNKEN_SHAPES = {"shrunken": Shape(64, 2, 128, vocabulary=8192, heads=4, key_heads=2, tied=True)}
ALL_SHAPES = {**SHAPES, **REAL_SHAPES, **SHRUNKEN_SHAPES}

# Without gradient checkpointing eight pairs of the 7B's activations take more than 80 GiB.
CASES = [Case("qwen2.5-0.5b", "full", 8), Case("7b", "lora", 8, at_once=2)]
SHRUNKEN_CASES = [Case("shrunken", "full", 1), Case("shrunken", "lora", 1)]


def compare(out: Path, *, shrunken: bool) -> int:
    """Measure every case, beside TRL where it can be imported; the exit status of the report."""
    device = "cuda" if has_gpu() else "cpu"
    if device == "cpu" and not shrunken:
        print("There is no GPU here. --shrunken tries the same path without one.", file=sys.stderr)
        return 2
    report = Report("DPO on a GPU, beside TRL", extra={"device": device})
    with tempfile.TemporaryDirectory(prefix="bench-train-") as name:
        folder = Path(name)
        report.extra["product_gflops"] = peak = product_peak(folder)
        for case in SHRUNKEN_CASES if shrunken else CASES:
            model = _model(folder, case)
            place = folder / f"{case.size}-{case.tuning}"
            settings: dict[str, Any] = {"tuning": case.tuning, "longer": case.longer, "at_once": case.at_once}
            found = ours.run_to_end(place / "ours", model, epochs=EPOCHS, **settings)
            print(f"{case.size} {case.tuning}: {found.per_second:.4g} pairs/s", flush=True)
            rival = None
            if find_spec("trl"):
                rival = theirs.run(place / "theirs", model, "dpo", "bf16", found.seconds, device=device, **settings)
            add_rows(report, case, found, rival, peak)
            report.write(out)  # what is known stays known if the next case fails
    return report.finish(out)


def has_gpu() -> bool:
    """Asked in a process of its own: this one stays without torch."""
    program = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def product_peak(folder: Path) -> float:
    """GFLOP/s of a large bf16 product."""
    out = folder / "product.json"
    subprocess.run([sys.executable, "-m", "bench.train.product", str(out)], check=True, env=environment(), cwd=ROOT)
    found: dict[str, float] = json.loads(out.read_text())["bf16"]
    return max(found.values())


def _model(folder: Path, case: Case) -> Path:
    path = folder / f"{case.size}-model"
    dtype = "bfloat16" if case.tuning == "lora" else "float32"
    command = [sys.executable, "-m", "bench.train.inputs", str(path), case.size, dtype]
    subprocess.run(command, check=True, env=environment(), cwd=ROOT)
    return path


def add_rows(report: Report, case: Case, found: Measured, rival: Measured | None, peak: float) -> None:
    """Tokens a second as the engine lays them out, memory, and the share of the product peak (forward and backward)."""
    batch = [flops.lengths(pair) for pair in pairs(longer=case.longer)]
    tokens = sum(pair.prompt + sum(pair.answers) for pair in batch) / len(batch)
    useful = flops.ours(ALL_SHAPES[case.size], batch, frozen=case.tuning == "lora") / len(batch) / 1e9
    name, theirs_speed = f"{case.size} {case.tuning}", rival.per_second * tokens if rival else None
    speed = found.per_second * tokens
    report.add(f"{name}, tokens of pairs", "tokens/s", speed, rival=theirs_speed, must="reported", ok=True)
    memory = rival.peak_bytes / GIB if rival else None
    report.add(f"{name}, peak memory", "GiB", found.peak_bytes / GIB, rival=memory, must="reported", ok=True)
    utilisation = found.per_second * useful / peak
    theirs_share = rival.per_second * useful / peak if rival else None
    report.add(f"{name}, model FLOP utilisation", "", utilisation, rival=theirs_share, must="reported", ok=True)
