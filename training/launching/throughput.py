"""What earlier runs measured, and what a dataset version holds: the facts behind an estimate of a run still to come."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from training.config import Method, RunConfig, TrainingConfig
from training.launching.device import Device, this_device
from training.launching.estimates import CHARACTERS_PER_TOKEN, DataShape, Estimate, NoShape, estimate, read_shape
from training.models import DatasetVersion, Policy, PolicyKind, Run, RunState
from training.preferences import store


class MissingModel(NoShape):
    """A base whose files are gone, so that no run can start from it."""


EARLIER_RUNS = 5
# Shorter runs take their time for loading and looks, not for rows.
LEAST_STEPS = 10
CHARACTERS = "avg(list_sum(list_transform({0}, lambda turn: length(turn.content))))"
TRAINING_ROWS = f"""
SELECT count(*), count(DISTINCT hash(prompt)),
       {CHARACTERS.format("prompt")}, {CHARACTERS.format("chosen")}, {CHARACTERS.format("rejected")}
FROM read_parquet(?) WHERE split = 'train'
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Rate and memory of earlier runs of the same method and tuning from the same base."""

    runs: int
    rows_per_second: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the launch page says about a run before it is queued."""

    estimate: Estimate
    device: Device
    measured: Measured | None
    seconds: float | None
    limit_bytes: int

    @property
    def fits(self) -> bool:
        return self.estimate.memory_bytes <= self.limit_bytes


def forecast(method: Method, config: RunConfig, base: Policy, version: DatasetVersion) -> Forecast:
    """Estimate a run; raises NoShape when the base's config.json cannot be read."""
    expected = estimate(method, config, read_shape(model_folder(base)), data_shape(version))
    device = this_device()
    measured = earlier_runs(method, config, base)
    own_limit = config.memory_limit_gib if isinstance(config, TrainingConfig) else 0.0
    limit = int(own_limit * 1024**3) or _memory_of_one(device, config)
    return Forecast(expected, device, measured, _seconds(config, expected, device, measured), limit)


def _memory_of_one(device: Device, config: RunConfig) -> int:
    """What one of the run's devices has: GPUs each their own memory, processes on a processor a share of it."""
    return device.memory_bytes // (_devices(config) if device.kind == "cpu" else 1)


def _devices(config: RunConfig) -> int:
    return config.devices if isinstance(config, TrainingConfig) else 1


def _seconds(config: RunConfig, expected: Estimate, device: Device, measured: Measured | None) -> float | None:
    if measured:
        return expected.visits / measured.rows_per_second
    return expected.seconds(device.flops_per_second) if device.flops_per_second else None


def model_folder(base: Policy) -> Path:
    """Folder of the base's files, in the hub's cache when it is a hub name; raises MissingModel or NoShape."""
    from huggingface_hub import try_to_load_from_cache  # imports an HTTP client, and most models are folders

    folder = Path(base.path)
    if folder.is_dir():
        return folder
    if folder.is_absolute() or base.kind != PolicyKind.BASE or os.environ.get("HF_HUB_OFFLINE") == "1":
        raise MissingModel(f"The files of {base.name} are not on this machine: there is no folder {base.path}.")
    cached = try_to_load_from_cache(base.location, "config.json")
    if not isinstance(cached, str):
        raise NoShape(f"{base.name} has not been fetched from the hub yet; its size is known after the first run.")
    return Path(cached).parent


def earlier_runs(method: Method, config: RunConfig, base: Policy) -> Measured | None:
    """Average over the latest succeeded runs like this one, or None when there are none."""
    if not isinstance(config, TrainingConfig):
        return None  # inspections have no steps to count
    like_this = Run.objects.filter(
        method=method,
        base=base,
        state=RunState.SUCCEEDED,
        train_seconds__gt=0,
        step__gte=LEAST_STEPS,
        config__tuning=config.tuning,
        config__precision=config.precision,
    )
    found = like_this.order_by("-finished_at")[: 10 * EARLIER_RUNS]
    latest = [run for run in found if run.config.get("devices", 1) == _devices(config)][:EARLIER_RUNS]
    if not latest:
        return None
    rows = sum(run.step * int(run.config["batch_size"]) for run in latest)
    seconds = sum(run.train_seconds for run in latest)
    return Measured(len(latest), rows / seconds, max(run.peak_memory_bytes for run in latest)) if rows else None


def data_shape(version: DatasetVersion) -> DataShape:
    """Rows, prompts and guessed lengths of the training split; raises NoShape when the sealed file is gone."""
    if not version.path.is_file():
        raise NoShape(f"The sealed file of {version} is gone from this machine.")
    return _measured_shape(version.path)


@lru_cache(maxsize=256)
def _measured_shape(path: Path) -> DataShape:
    """One scan of a sealed file, which never changes."""
    with store.connection(path) as database:
        row = database.execute(TRAINING_ROWS, [str(path)]).fetchone()
    rows, prompts, *characters = row or (0, 0, 0, 0, 0)
    prompt, chosen, rejected = (float(count or 0) / CHARACTERS_PER_TOKEN for count in characters)
    return DataShape(int(rows), int(prompts), prompt, chosen, rejected)
