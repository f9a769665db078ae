"""Are the share of wrong labels and the wrong labels themselves found, and how fast?

On pairs of the demo world's base (those of bench.pathologies, in its folder) with a known share of labels turned round;
then on another family of texts; then 100,000 pairs of common length against the clock.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.pathologies.laboratory import Laboratory
from bench.report import ROOT, Report
from training.preferences.checks.findings import Finding
from training.preferences.checks.noise import labels_that_look_wrong
from training.preferences.records import Message, Pair
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit
from training.preferences.survey import survey
from training.world.pairs import PairRule, preference_pairs

FOLDER = ROOT / "var" / "bench" / "pathologies"
SEEDS = range(3)
RATES = (0.0, 0.1, 0.2, 0.3)
POINTS = 0.05
RANKED_AT, RANKED = 0.2, 0.85
TIMED, SECONDS, GIGABYTES = 100_000, 40.0, 1.0

Labelled = tuple[str, str, str, bool]
"""Prompt, chosen, rejected, and whether the label was turned round."""


def measure(report: Report) -> None:
    """Adds a row per rate and world, the other family, and the speed."""
    for seed in SEEDS:
        lab = Laboratory(FOLDER / f"seed-{seed}", seed)
        for rate in RATES:
            _judge(report, f"world {seed}, {rate:.0%}", list(world_pairs(lab, rate)), ranked=rate == RANKED_AT)
    for rate in (0.0, 0.2):
        _judge(report, f"long texts, {rate:.0%}", list(long_texts(12_000, rate)), ranked=False)
    _time(report)


def world_pairs(lab: Laboratory, rate: float) -> Iterator[Labelled]:
    """The base's sampled answers, labelled by the true reward, this share of the labels turned round."""
    for row in preference_pairs(lab.world, lab.prompts, lab.sampled, PairRule(error_rate=rate)):
        yield row["prompt"], row["chosen"], row["rejected"], row["mislabelled"]


def long_texts(count: int, rate: float, seed: int = 0) -> Iterator[Labelled]:
    """Answers of 40 to 120 words of a Zipf vocabulary; a sixth of the words carry a worth that no text names, and the
    answer worth more per word is the better one. Nothing of it is the world's."""
    rng = np.random.default_rng(seed)
    vocabulary = np.array([f"w{number}" for number in range(2_000)])
    common = 1 / np.arange(5, 2_005)
    common /= common.sum()
    worth = np.where(rng.random(2_000) < 1 / 6, rng.normal(size=2_000), 0)
    prompts = [" ".join(rng.choice(vocabulary, 8, p=common)) for _ in range(count // 3)]
    for _ in range(count):
        answers = [rng.choice(2_000, rng.integers(40, 120), p=common) for _ in range(2)]
        answers.sort(key=lambda words: -float(worth[words].sum() / np.sqrt(len(words))))
        turned = bool(rng.random() < rate)
        better, worse = (" ".join(vocabulary[words]) for words in answers)
        prompt = prompts[int(rng.integers(len(prompts)))]
        yield (prompt, worse, better, turned) if turned else (prompt, better, worse, turned)


def _judge(report: Report, name: str, rows: list[Labelled], *, ranked: bool) -> None:
    from sklearn.metrics import roc_auc_score

    wrong = np.array([turned for *_, turned in rows])
    finding, noise = examined(rows)
    picture = finding.picture or {}
    rate, (low, high) = picture.get("rate"), picture["interval"]
    off = abs(rate - wrong.mean()) if rate is not None else float("nan")
    report.add(
        f"{name}: estimate [{low:.3f}, {high:.3f}]",
        "share",
        float("nan") if rate is None else rate,
        rival=float(wrong.mean()) or None,
        must="within 0.05 of the truth (rival)",
        ok=off <= POINTS,
    )
    report.add(f"{name}: accuracy out of fold", "share", picture["accuracy"], must="", ok=True)
    if ranked:
        area = roc_auc_score(wrong, noise)
        report.add(f"{name}: AUROC per pair", "area", area, must=f"≥ {RANKED}", ok=area >= RANKED)


def examined(rows: Iterable[Labelled]) -> tuple[Finding, Any]:
    """The finding and the scores of the rule, on a version sealed of these pairs."""
    with tempfile.TemporaryDirectory() as folder:
        sealed = seal_pairs((_pair(*row[:3]) for row in rows), Path(folder), PromptSplit(0.1))
        with survey(sealed.path) as subject:
            labels_that_look_wrong(subject)
            return next(iter(subject.found)), subject.scores["noise"]


def _pair(prompt: str, chosen: str, rejected: str) -> Pair:
    said = ((Message("user", prompt),), (Message("assistant", chosen),), (Message("assistant", rejected),))
    return Pair(*said)


def _time(report: Report) -> None:
    """In a process of its own, so that its peak of memory is the rule's."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.data.noise"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    seconds, processor, memory = map(float, done.stdout.split())
    name = f"{TIMED:,} pairs of 80 words an answer"
    report.add(f"{name}: time", "s", seconds, must=f"≤ {SECONDS:.0f}", ok=seconds <= SECONDS)
    report.add(f"{name}: processor time", "s", processor, must="", ok=True)
    report.add(f"{name}: peak memory", "GB", memory, must=f"≤ {GIGABYTES:.0f}", ok=memory <= GIGABYTES)


def main() -> None:
    """Prints seconds, processor seconds and peak memory in GB of the rule on TIMED pairs."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = (_pair(*row[:3]) for row in long_texts(TIMED, 0.2))
        sealed = seal_pairs(pairs, Path(folder), PromptSplit(0.1))
        start, used = time.perf_counter(), time.process_time()
        with survey(sealed.path) as subject:
            labels_that_look_wrong(subject)
        taken, processor = time.perf_counter() - start, time.process_time() - used
    print(taken, processor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)


if __name__ == "__main__":
    main()
