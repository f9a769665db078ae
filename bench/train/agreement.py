"""Whether a GPU trains what a CPU trains: `python -m bench.train.agreement`, every method on both, in fp32 and bf16.

The engine runs twice per method on the same few pairs and weights, once with the GPU hidden. Its loss at every step
must agree. RLHF samples answers, which every device draws in its own way: there the sampler's log-probabilities must be
those of the policy's own forward pass, and the loss must stay a number.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.report import ROOT, Report
from bench.train.accelerator import has_gpu
from bench.train.inputs import PAIRS, pairs, world_demonstrations, world_pairs, write_world_model
from bench.train.measuring import environment
from bench.train.ours import write_run

STEPS = 20
COMMON = {
    "batch_size": 8,
    "learning_rate": 1e-3,
    "max_steps": STEPS,
    "evaluate_every": STEPS,
    "checkpoint_every": STEPS,
}
QUIET = {"sample_count": 0, "probe_prompts": 0}
COMPARED: list[dict[str, Any]] = [
    {"method": "sft", **QUIET},
    {"method": "dpo", **QUIET},
    {"method": "dpo", "tuning": "full", "learning_rate": 1e-4, **QUIET},
    {"method": "cpo", **QUIET},
    {"method": "contrastive_cpo", **QUIET},
    {"method": "simpo", **QUIET},
    {"method": "reward"},
]
MOST_APART = {"fp32": 1e-3, "bf16": 2e-2}
"""Largest difference of a loss near 1 at any step: sums are taken in another order, and steps carry it on."""

SAMPLED = {
    "method": "rlhf",
    "max_new_tokens": 16,
    "reward": {"epochs": 1.0, "batch_size": 8},
    "learning_rate": 1e-4,
}


@dataclass(frozen=True, slots=True)
class Trained:
    """One run: its curves by name, each a value per step, and how long it took."""

    curves: dict[str, list[float]]
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.train.agreement", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench" / "agreement.json")
    parser.add_argument("--only", nargs="+", choices=list(CHECKS), default=list(CHECKS))
    parser.add_argument("--any-device", action="store_true", help="go on without a GPU: both sides are the CPU then")
    options = parser.parse_args()
    if not (has_gpu() or options.any_device):
        print("There is no GPU here. --any-device tries the same path without one.", file=sys.stderr)
        return 2
    report = Report("does a GPU train what a CPU trains?", extra={"versions": versions()})
    with tempfile.TemporaryDirectory(prefix="bench-agreement-") as name:
        folder = Path(name)
        for check in options.only:
            CHECKS[check](report, folder)
    return report.finish(options.out)


def compare_losses(report: Report, folder: Path) -> None:
    """A row per method and precision: the largest difference of the loss at any step, with the GPU's seconds."""
    model = folder / "tiny"
    run_module("bench.train.inputs", str(model), "tiny")
    for number, settings in enumerate(COMPARED):
        name = f"{settings['method']}{', all weights' if settings.get('tuning') == 'full' else ''}"
        curve = "reward/loss" if settings["method"] == "reward" else "train/loss"
        for precision, most in MOST_APART.items():
            both = []
            for device in ("cpu", "gpu"):
                place = folder / f"{number}-{precision}-{device}" / "run"
                both.append(train(place, model, {**COMMON, **settings, "precision": precision}, device).curves[curve])
            apart = max(abs(one - other) for one, other in zip(*both, strict=True))
            report.add(f"{name} {precision}, losses apart", "", apart, must=f"≤ {most:g}", ok=apart <= most)


def check_sampling(report: Report, folder: Path) -> None:
    """RLHF on the GPU: rewards, rollouts and updates; the gap of log-probabilities between sampler and policy."""
    base = folder / "base" / "run"
    model = folder / "world"
    write_world_model(model)
    scratch = {"method": "sft", "from_scratch": True, "tuning": "full", "precision": "fp32", "learning_rate": 3e-3}
    rows = world_demonstrations()
    train(base, model, {**COMMON, **scratch, "max_steps": 100, "batch_size": 64}, "gpu", rows)
    for precision, most in MOST_APART.items():
        config = {**COMMON, **SAMPLED, "precision": precision}
        found = train(folder / f"rlhf-{precision}" / "run", base / "artifact", config, "gpu", world_pairs(PAIRS))
        gap = max(found.curves["rollout/sampler_gap"])
        report.add(f"rlhf {precision}, sampler and policy apart", "nats", gap, must=f"≤ {most:g}", ok=gap <= most)
        finite = all(math.isfinite(loss) for loss in found.curves["train/loss"])
        report.add(
            f"rlhf {precision}, steps", "", len(found.curves["train/loss"]), must=f"{STEPS}, all finite", ok=finite
        )


def check_head(report: Report, folder: Path) -> None:
    """Log-probabilities and gradients of an LM head over a real vocabulary, in several chunks, beside fp64."""
    run_module("bench.train.agreement_of_heads", str(folder / "heads.json"))
    for precision, apart in json.loads((folder / "heads.json").read_text()).items():
        most = MOST_APART[precision]
        report.add(f"LM head {precision}, relative error", "", apart, must=f"≤ {most:g}", ok=apart <= most)


def train(
    folder: Path, model: Path, config: dict[str, Any], device: str, rows: list[dict[str, Any]] | None = None
) -> Trained:
    """Run the engine to its end, with the GPU or without."""
    folder.mkdir(parents=True)
    write_run(folder, model, rows or pairs(), config)
    began = time.monotonic()
    run_module("training.engine", str(folder), hidden=device == "cpu")
    return Trained(curves(folder / "events.jsonl"), time.monotonic() - began)


def curves(events: Path) -> dict[str, list[float]]:
    """Every curve that a run wrote."""
    found: dict[str, list[float]] = {}
    for line in events.read_text().splitlines():
        event = json.loads(line)
        for name, value in event["values"].items() if event["kind"] == "metrics" else ():
            found.setdefault(name, []).append(value)
    return found


def run_module(*command: str, hidden: bool = False) -> None:
    """Run a module of the project, with every GPU `hidden` if asked; raises with its last words when it fails."""
    variables = {**environment(), **({"CUDA_VISIBLE_DEVICES": ""} if hidden else {})}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")


CHECKS = {"losses": compare_losses, "sampling": check_sampling, "head": check_head}


def versions() -> dict[str, str]:
    """What trained."""
    return {name: version(name) for name in ("torch", "transformers", "peft")}


if __name__ == "__main__":
    sys.exit(main())
