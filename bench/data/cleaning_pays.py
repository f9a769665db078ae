"""Does cleaning pay? Runs on demo-world pairs of which three labels in ten are wrong, before and after cleaning.

Two ways of cleaning, each made by the product's own recipes on the report's `label_noise`:

    softened      every label becomes 1 - the pair's noise score: nobody looks at anything
    judged again  people judge the listed pairs once more (training/preferences/second_look.py), each judgement wrong
                  with probability ERRS, and what they judge wrong is turned over

Both sides of a comparison have the same settings, seeds and number of rows, so the same number of steps. True rewards
are of one answer to every prompt of the in-distribution suite, paired by prompt, over three worlds. docs/DECISIONS.md
says what else was tried, on other worlds, and why a score alone can hardly pay.

Worlds and runs are those of bench.pathologies, in its folder; what was finished before is taken from there.
`SEEDS=0,1 METHODS=dpo AT_ONCE=1 python -m bench.data --only cleaning_pays` does less.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

import numpy as np

from bench.pathologies.laboratory import Laboratory
from bench.pathologies.questions import FLIPPED
from bench.report import ROOT, Report
from training.preferences.cleaning.applying import write_child
from training.preferences.cleaning.planning import plan
from training.preferences.cleaning.recipes import AnyStep, Flip, Recipe, Soften
from training.preferences.cleaning.selection import Material
from training.preferences.filters import Filter
from training.preferences.report import place, report_on
from training.preferences.sealing import Sealed, SealedWriter
from training.preferences.splits import PromptSplit
from training.preferences.store import read_pairs
from training.preferences.verdicts import Verdict
from training.world import presets
from training.world.gold import prefer
from training.world.phrasing import read_question

FOLDER = ROOT / "var" / "bench" / "pathologies"
SEEDS = [int(seed) for seed in os.environ.get("SEEDS", "0,1,2").split(",")]
METHODS = os.environ.get("METHODS", "dpo cpo rlhf").split()
AT_ONCE = int(os.environ.get("AT_ONCE", "2"))
PRESETS: dict[str, Any] = {"dpo": presets.DPO, "cpo": presets.CPO, "rlhf": presets.RLHF}
REPORTING = threading.Lock()
"""One report at a time: each sets limits for the process and uses every core."""
ERRS = 0.1
"""How often the second judge is wrong: as often as the demo's raters."""
STEPS: dict[str, AnyStep] = {
    "softened": Soften(to="noise"),
    "judged again": Flip(rows=Filter(tag=Verdict.WRONG)),
}
MUST = {"softened": "not surely below 0", "judged again": "> 0, interval excludes 0"}
HOLDS: dict[str, Callable[[float, float], bool]] = {
    "softened": lambda low, high: high >= 0,
    "judged again": lambda low, high: low > 0,
}


@dataclass(frozen=True)
class World:
    """What one world gave: gaps in true reward by prompt for (way, method), and figures of its labels by name."""

    lab: Laboratory
    gaps: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    labels: dict[str, float] = field(default_factory=dict)


def measure(report: Report) -> None:
    """Adds the gain in true reward of every way and method, and what cleaning did to the labels of each world."""
    os.environ["OMP_NUM_THREADS"] = "1"  # worlds share the cores, whatever the parts before took
    with ThreadPoolExecutor(AT_ONCE) as pool:
        worlds = list(pool.map(_world, SEEDS))
    for world in worlds:
        for name, value in world.labels.items():
            report.add(f"world {world.lab.seed}: {name}", "share", value, must="", ok=True)
    for way in STEPS:
        for method in METHODS:
            _add_gain(report, way, method, worlds)


def _world(seed: int) -> World:
    world = World(Laboratory(FOLDER / f"seed-{seed}", seed))
    dirty = world.lab.pairs(error_rate=FLIPPED)
    with REPORTING:
        report_on(dirty.path)
    wrong = _wrong(world.lab, dirty)
    listed = _listed(dirty)
    world.labels.update({"wrong labels": wrong.mean(), "listed pairs": len(listed) / len(wrong)})
    if len(listed):  # a report that cannot tell lists nothing
        world.labels["wrong among the listed"] = wrong[listed].mean()
    said_wrong = _judged_wrong(wrong, listed, seed)
    for way, step in STEPS.items():
        cleaned = _cleaned(world.lab, dirty, step, said_wrong)
        world.labels[f"wrong labels, {way}"] = _weight_of_wrong(world.lab, cleaned)
        for method in METHODS:
            world.gaps[way, method] = _gaps(world.lab, dirty, cleaned, method)
    return world


def _wrong(lab: Laboratory, version: Sealed) -> Any:
    """[rows] whether the rejected answer has the higher true reward."""
    return np.array([_truth(lab, pair) < 0 for pair in read_pairs(version.path)])


def _truth(lab: Laboratory, pair: Any) -> int:
    """1 when the chosen answer is the better one, -1 when the other is."""
    question = read_question(pair.prompt[-1].content)
    assert question is not None, "every prompt is a question of the world"
    return prefer(lab.world, question, pair.chosen[-1].content, pair.rejected[-1].content)


def _weight_of_wrong(lab: Laboratory, version: Sealed) -> float:
    """Share of the labels' pull |2 p - 1| that goes to the worse answer: the share of wrong labels where all are 1."""
    pairs = list(read_pairs(version.path))
    pull = np.array([(2 * pair.label - 1) * _truth(lab, pair) for pair in pairs])
    return float(np.clip(-pull, 0, None).sum() / np.abs(pull).sum())


def _listed(version: Sealed) -> Any:
    """Rows that the report lists as more likely wrong than right."""
    import pyarrow.parquet as pq

    return pq.read_table(place(version.path).rows, filters=[("rule", "==", "label_noise")])["row"].to_numpy()


def _judged_wrong(wrong: Any, listed: Any, seed: int) -> list[int]:
    """The listed rows whose label the second judge calls wrong."""
    errs = np.random.default_rng(seed).random(len(listed)) < ERRS
    judged: list[int] = listed[wrong[listed] != errs].tolist()
    return judged


def _cleaned(lab: Laboratory, dirty: Sealed, step: AnyStep, said_wrong: Sequence[int]) -> Sealed:
    """What the product's recipe makes of the version."""
    material = Material(place(dirty.path), lambda tag: said_wrong)
    made = plan(dirty.path, Recipe(steps=(step,)), material)
    with SealedWriter(dirty.path.parent, PromptSplit(0)) as writer:
        write_child(dirty.path, made, writer)
        sealed = writer.finish()
        writer.publish(sealed)
    return sealed


def _gaps(lab: Laboratory, dirty: Sealed, cleaned: Sealed, method: str) -> list[float]:
    """True reward after training on the cleaned version less that on the dirty one, by prompt."""
    config = PRESETS[method].model_copy(update={"seed": lab.seed})
    before, after = (
        lab.true_rewards(name, lab.run(name, config, version))
        for name, version in (
            (f"{method}-flipped", dirty),
            (f"{method}-cleaned-{cleaned.sha256[:8]}", cleaned),
        )
    )
    print(f"world {lab.seed}: {method} {mean(before):.3f} dirty, {mean(after):.3f} cleaned", flush=True)
    return [a - b for a, b in zip(after, before, strict=True)]


def _add_gain(report: Report, way: str, method: str, worlds: list[World]) -> None:
    """Paired by prompt over all worlds; normal 95 % interval."""
    every = [gap for world in worlds for gap in world.gaps[way, method]]
    half = 1.96 * stdev(every) / len(every) ** 0.5
    low, high = mean(every) - half, mean(every) + half
    name = f"{method}: true reward, {way} - dirty [{low:.3f}, {high:.3f}]"
    report.add(name, "reward", mean(every), must=MUST[way], ok=HOLDS[way](low, high))
    for world in worlds:
        report.add(
            f"{method}, {way}: world {world.lab.seed}", "reward", mean(world.gaps[way, method]), must="", ok=True
        )
