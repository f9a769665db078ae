"""Our side: `python -m training.engine RUN_DIR`, timed by the events it writes for its worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.train.inputs import (
    BATCH,
    COMPLETIONS,
    GROUP,
    MOST_NEW_TOKENS,
    MOST_WORDS,
    PROMPTS,
    STEPS_PER_EPOCH,
    pairs,
    seal,
    world_demonstrations,
    world_pairs,
    write_world_model,
)
from bench.train.measuring import Measured, measure

MAX_STEPS = 200 * STEPS_PER_EPOCH
"""Never reached. The engine draws a curve with 200 points, so its events come once per epoch."""

LONG = {"evaluate_every": MAX_STEPS, "checkpoint_every": MAX_STEPS, "max_steps": MAX_STEPS}
QUIET = {"sample_count": 0, "probe_prompts": 0, **LONG}


def run(folder: Path, model: Path, method: str, precision: str, seconds: float) -> Measured:
    """Train for a warm-up epoch and then whole epochs of at least `seconds`."""
    folder.mkdir(parents=True)
    if method == "rloo":
        return _run_rloo(folder, model, precision, seconds)
    quiet = LONG if method == "reward" else QUIET  # a reward model gives no answers to show
    config = {"method": method, "batch_size": BATCH, "learning_rate": 1e-6, **quiet, **_full(precision)}
    write_run(folder, model, pairs(), config)
    return timed(folder, seconds, units_per_step=BATCH, curve="reward/loss" if method == "reward" else "train/loss")


def run_to_end(folder: Path, model: Path, *, tuning: str, longer: int, at_once: int, epochs: int) -> Measured:
    """DPO in bf16 for a fixed number of epochs after the warm-up; the engine itself says what it held on the device."""
    folder.mkdir(parents=True)
    steps = STEPS_PER_EPOCH * (1 + epochs)
    config = {"method": "dpo", "batch_size": BATCH, "learning_rate": 1e-6, **QUIET, "max_steps": steps}
    config |= {"tuning": tuning, "precision": "bf16", "max_length": 2048}
    config["tokens_per_pass"] = at_once * 3 * MOST_WORDS * longer
    write_run(folder, model, pairs(longer=longer), config)
    measure(["training.engine", str(folder)], folder / "trainer.log")
    points = [point for point in _points(folder / "events.jsonl", "train/loss") if point[1] % STEPS_PER_EPOCH == 0]
    (began, first), (ended, last) = points[0], points[-1]
    peak = json.loads((folder / "result.json").read_text())["peak_memory_bytes"]
    return Measured((last - first) * BATCH / (ended - began), peak, ended - began)


def _run_rloo(folder: Path, model: Path, precision: str, seconds: float) -> Measured:
    """The same for RL; the reward model is trained before and is not part of the time."""
    config = {
        "method": "rlhf",
        "batch_size": COMPLETIONS // GROUP,
        "group_size": GROUP,
        "max_new_tokens": MOST_NEW_TOKENS,
        "learning_rate": 1e-6,
    }
    write_run(folder, model, world_pairs(PROMPTS), {**config, **QUIET, **_full(precision)})
    return timed(folder, seconds, units_per_step=COMPLETIONS, curve="train/loss")


def train_base(folder: Path) -> Path:
    """The demo world's model after a short SFT: its answers end, as they do in use."""
    untrained = folder / "untrained"
    write_world_model(untrained)
    config = {"method": "sft", "from_scratch": True, "batch_size": 64, "learning_rate": 3e-3, **QUIET, **_full("bf16")}
    write_run(folder, untrained, world_demonstrations(), {**config, "max_steps": 200})
    measure(["training.engine", str(folder)], folder / "trainer.log")
    return folder / "artifact"


def _full(precision: str) -> dict[str, str]:
    return {"tuning": "full", "precision": precision}


def write_run(folder: Path, model: Path, rows: list[dict[str, Any]], config: dict[str, Any]) -> None:
    """A RUN_DIR as a worker writes it; the cache of reference values lies beside the runs."""
    data = folder / "pairs.parquet"
    spec = {
        "run_id": folder.name,
        "model_path": str(model),
        "data_path": str(data),
        "data_sha256": seal(data, rows),
        "cache_dir": str(folder.parent / "cache"),
        "config": config,
    }
    (folder / "config.json").write_text(json.dumps(spec))


def timed(folder: Path, seconds: float, *, units_per_step: int, curve: str) -> Measured:
    """Start the engine, let it go on until `seconds` after its first point of `curve`, then stop it."""
    points: list[tuple[float, int]] = []

    def enough() -> bool:
        points[:] = _points(folder / "events.jsonl", curve)
        return len(points) > 1 and points[-1][0] - points[0][0] >= seconds

    peak = measure(["training.engine", str(folder)], folder / "trainer.log", enough)
    (began, first), (ended, last) = points[0], points[-1]
    return Measured((last - first) * units_per_step / (ended - began), peak, ended - began)


def _points(events: Path, curve: str) -> list[tuple[float, int]]:
    """When the engine wrote which step's point of a curve."""
    if not events.exists():
        return []
    lines = [json.loads(line) for line in events.read_text().splitlines() if line.endswith("}")]
    return [(e["at"], e["step"]) for e in lines if e["kind"] == "metrics" and curve in e["values"]]
