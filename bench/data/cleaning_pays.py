"""Does cleaning pay? Runs on demo-world pairs of which three labels in ten are wrong, before and after cleaning.

The recipe was fixed before any run, from the literature (removing beats flipping, arXiv 2509.23564): leave out the
pairs whose noise score says that they are more likely wrong than right. Both sides get the same number of steps, so the
cleaned side sees its fewer pairs more often. True rewards are of one answer to every prompt of the in-distribution
suite, paired by prompt, over three worlds. docs/DECISIONS.md says why it does not pay there.

Worlds and runs are those of bench.pathologies, in its folder; what was finished before is taken from there.
`SEEDS=1 METHODS=dpo python -m bench.data --only cleaning_pays` does less.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from statistics import mean, stdev
from typing import Any

import numpy as np

from bench.pathologies.laboratory import Laboratory, Trained
from bench.pathologies.questions import FLIPPED
from bench.report import ROOT, Report
from training.config import RewardConfig
from training.preferences.report import place, report_on
from training.preferences.sealing import Sealed
from training.preferences.store import read_pairs
from training.world import presets
from training.world.pairs import PairRule, preference_pairs

FOLDER = ROOT / "var" / "bench" / "pathologies"
SEEDS = int(os.environ.get("SEEDS", "3"))
METHODS = os.environ.get("METHODS", "dpo cpo rlhf").split()
PRESETS: dict[str, Any] = {"dpo": presets.DPO, "cpo": presets.CPO, "rlhf": presets.RLHF}
WRONG = 0.5
"""Pairs from this score on are left out."""

Rewards = list[float]


def measure(report: Report) -> None:
    """Adds the gain in true reward of every method, and what cleaning did to the pairs of each world."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    labs = [Laboratory(FOLDER / f"seed-{seed}", seed) for seed in range(SEEDS)]
    cleaned = [_cleaned(lab, report) for lab in labs]
    for method in METHODS:
        gaps = [_gaps(lab, version, method) for lab, version in zip(labs, cleaned, strict=True)]
        _add_gain(report, method, gaps)


def _cleaned(lab: Laboratory, report: Report) -> Sealed:
    """The dirty version without its suspicious pairs; says how many wrong labels went with them."""
    dirty = lab.pairs(error_rate=FLIPPED)
    noise = _scores(dirty)
    rows = preference_pairs(lab.world, lab.prompts, lab.sampled, PairRule(error_rate=FLIPPED))
    wrong = np.array([row["mislabelled"] for row in rows])
    kept = ~(noise >= WRONG)
    for name, share in (("before", wrong.mean()), ("after", wrong[kept].mean())):
        must = "< before" if name == "after" else ""
        ok = name == "before" or wrong[kept].mean() < wrong.mean()
        report.add(f"world {lab.seed}: wrong labels {name} cleaning", "share", float(share), must=must, ok=ok)
    report.add(f"world {lab.seed}: pairs left out", "pairs", float((~kept).sum()), must="> 0", ok=bool((~kept).any()))
    pairs = (pair for pair, keep in zip(read_pairs(dirty.path), kept, strict=True) if keep)
    return lab.sealed(pairs)


def _scores(version: Sealed) -> Any:
    """The score `noise` of the version's report, by row."""
    import pyarrow.parquet as pq

    report_on(version.path)
    return pq.read_table(place(version.path).scores, columns=["noise"])["noise"].to_numpy()


def _gaps(lab: Laboratory, cleaned: Sealed, method: str) -> list[float]:
    """True reward after training on the cleaned version less that on the dirty one, by prompt."""
    config = PRESETS[method].model_copy(update={"seed": lab.seed})
    dirty = lab.run(f"{method}-flipped", config, lab.pairs(error_rate=FLIPPED))
    same = SAME_STEPS[method](config, dirty, lab.pairs(error_rate=FLIPPED), cleaned)
    clean = lab.run(f"{method}-cleaned-{cleaned.sha256[:8]}", same, cleaned)
    before, after = (lab.true_rewards(run.folder.name, run) for run in (dirty, clean))
    print(f"world {lab.seed}: {method} {mean(before):.3f} dirty, {mean(after):.3f} cleaned", flush=True)
    return [a - b for a, b in zip(after, before, strict=True)]


def _same_steps(config: Any, dirty: Trained, whole: Sealed, cleaned: Sealed) -> Any:
    return config.model_copy(update={"max_steps": dirty.series["train/loss"][0][-1]})


def _same_passes(config: Any, dirty: Trained, whole: Sealed, cleaned: Sealed) -> Any:
    """RLHF's own steps and as many steps of its reward model."""
    epochs = config.reward.epochs * whole.train_rows / cleaned.train_rows
    reward = RewardConfig(**{**config.reward.model_dump(), "epochs": epochs})
    return config.model_copy(update={"max_steps": dirty.series["rollout/score"][0][-1], "reward": reward})


SAME_STEPS: dict[str, Callable[..., Any]] = {"dpo": _same_steps, "cpo": _same_steps, "rlhf": _same_passes}


def _add_gain(report: Report, method: str, gaps: list[list[float]]) -> None:
    """Paired by prompt over all worlds; normal 95 % interval."""
    every = [gap for world in gaps for gap in world]
    half = 1.96 * stdev(every) / len(every) ** 0.5
    gain = mean(every)
    name = f"{method}: true reward, cleaned - dirty [{gain - half:.3f}, {gain + half:.3f}]"
    report.add(name, "reward", gain, must="> 0, interval excludes 0", ok=gain - half > 0)
    for seed, world in enumerate(gaps):
        report.add(f"{method}: world {seed}", "reward", mean(world), must="", ok=True)
