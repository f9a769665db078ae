"""`python -m bench.pathologies [--seeds 3] [--only region …]`: the experiments over several worlds.

Two worlds are worked on at a time, each with one thread. What was finished before is taken from the folder, so a
stopped run goes on where it was; delete the folder to measure anew.
"""

from __future__ import annotations

import argparse
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scipy.stats import t as student

from bench.pathologies.laboratory import Laboratory
from bench.pathologies.questions import QUESTIONS, Findings, as_json
from bench.report import ROOT, Report

Interval = tuple[float, float, float]

BIASED = 0.3
"""Correlation of score and length from which a reward model counts as biased (docs/diagnostics.md)."""


def main() -> int:
    options = _options()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    seeds = list(range(options.seeds))
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(lambda seed: _one_world(options.folder, seed, options.only), seeds))
    report = Report(
        "what goes wrong with each method, and does the product say so?",
        extra={"seeds": seeds, "worlds": [as_json(findings) for findings in found]},
    )
    for name in options.only:
        JUDGED[name](report, found)
    return report.finish(options.out)


def _options() -> Any:
    parser = argparse.ArgumentParser(prog="bench.pathologies")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(QUESTIONS), default=list(QUESTIONS))
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "bench" / "pathologies")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench" / "pathologies.json")
    return parser.parse_args()


def _one_world(folder: Path, seed: int, names: list[str]) -> Findings:
    lab, found = Laboratory(folder / f"seed-{seed}", seed), Findings()
    for name in names:
        QUESTIONS[name](lab, found)
        print(f"world {seed}: {name} done", flush=True)
    return found


def over_seeds(values: list[float]) -> Interval:
    """Mean and 95 % interval by Student's t over the worlds; no interval from a single one."""
    if len(values) < 2:
        return values[0], math.nan, math.nan
    half = float(student.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return mean(values), mean(values) - half, mean(values) + half


def over_prompts(found: list[Findings], first: str, second: str) -> Interval:
    """Mean gain in true reward of `first` over `second`, paired by prompt within each world; normal 95 % interval."""
    gaps = [a - b for f in found for a, b in zip(f.rewards[first], f.rewards[second], strict=True)]
    half = 1.96 * stdev(gaps) / math.sqrt(len(gaps))
    return mean(gaps), mean(gaps) - half, mean(gaps) + half


def _add(report: Report, name: str, unit: str, interval: Interval, *, must: str, ok: bool) -> None:
    value, low, high = interval
    report.add(f"{name} [{low:.3f}, {high:.3f}]", unit, value, must=must, ok=ok)


def _region(report: Report, found: list[Findings]) -> None:
    for measure, where in (("undesirable_share", "held out"), ("train_undesirable_share", "in training")):
        gaps = over_seeds([f.figures[f"dpo/{measure}"] - f.figures[f"cpo/{measure}"] for f in found])
        # In training it is what the losses do; on held-out pairs, what of it carries over, with more noise.
        mean_gap, least, _ = gaps
        ok = (least if where == "in training" else mean_gap) > 0
        _add(report, f"(a) undesirable share {where}, DPO - CPO", "share", gaps, must="> 0", ok=ok)
        for name in ("dpo", "cpo"):
            shares = over_seeds([f.figures[f"{name}/{measure}"] for f in found])
            _add(report, f"(a) undesirable share {where}, {name}", "share", shares, must="", ok=True)
    for name in ("dpo", "cpo"):
        gain = over_prompts(found, name, "base")
        _add(report, f"(a) true reward, {name} - base", "reward", gain, must="> 0", ok=gain[1] > 0)
    _add(report, "(a) true reward, cpo - dpo", "reward", over_prompts(found, "cpo", "dpo"), must="", ok=True)
    _fires(report, "(a)", found, "dpo", "undesirable_region")


def _flipped(report: Report, found: list[Findings]) -> None:
    loss = over_prompts(found, "dpo-flipped", "dpo-clean")
    _add(report, "(b) true reward, 30 % flipped - clean", "reward", loss, must="< 0", ok=loss[2] < 0)
    _fires(report, "(b)", found, "dpo-flipped", "label_noise")
    _silent(report, "(b)", found, "dpo-clean", "label_noise")


def _length(report: Report, found: list[Findings]) -> None:
    _fires(report, "(c)", found, "reward-longer", "length_bias")
    for name, must, ok in (("reward-longer", "> 0.3", _above), ("reward", "≤ 0.3", _not_above)):
        values = over_seeds([f.figures[f"{name}/length_correlation"] for f in found])
        _add(report, f"(c) correlation with length, {name}", "correlation", values, must=must, ok=ok(values))


def _optimisation(report: Report, found: list[Findings]) -> None:
    proxy = over_seeds([f.courses["rlhf-no-kl"][-1][1] - f.courses["rlhf-no-kl"][0][1] for f in found])
    _add(report, "(d) learned reward without KL, end - start", "reward", proxy, must="> 0", ok=proxy[0] > 0)
    true = over_prompts(found, "rlhf-no-kl", "base")
    _add(report, "(d) true reward without KL - base", "reward", true, must="< 0", ok=true[2] < 0)
    kept = over_prompts(found, "rlhf-kl", "rlhf-no-kl")
    _add(report, "(d) true reward, with KL - without", "reward", kept, must="> 0", ok=kept[1] > 0)
    _fires(report, "(d)", found, "rlhf-no-kl", "over_optimisation")
    count = sum("over_optimisation" in f.alarms["rlhf-kl"] for f in found)
    report.add("(d) alarm over_optimisation on rlhf-kl", "worlds", count, must="", ok=True)


def _fires(report: Report, question: str, found: list[Findings], run: str, alarm: str) -> None:
    count = sum(alarm in f.alarms[run] for f in found)
    must = f"{len(found)} of {len(found)}"
    report.add(f"{question} alarm {alarm} on {run}", "worlds", count, must=must, ok=count == len(found))


def _silent(report: Report, question: str, found: list[Findings], run: str, alarm: str) -> None:
    count = sum(alarm in f.alarms[run] for f in found)
    report.add(f"{question} alarm {alarm} on {run}", "worlds", count, must="0", ok=count == 0)


def _above(interval: Interval) -> bool:
    return interval[0] > BIASED


def _not_above(interval: Interval) -> bool:
    return interval[0] <= BIASED


JUDGED = {"region": _region, "flipped": _flipped, "length": _length, "optimisation": _optimisation}

if __name__ == "__main__":
    raise SystemExit(main())
