"""What is measured, what it must reach, and the report's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

from bench.report import Report
from bench.train import flops
from bench.train.inputs import BATCH, SHAPES, WORLD, pairs
from bench.train.measuring import Measured

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Least ratio of speeds and most of peak memories, and what is aimed at."""

    speed: float
    speed_aim: float
    memory: float
    memory_aim: float


LIMITS = {
    "dpo": Limits(2.5, 4.0, 0.75, 0.5),
    "contrastive_cpo": Limits(2.5, 4.0, 0.75, 0.5),
    "reward": Limits(1.6, 3.0, 1.0, 0.75),
    "rloo": Limits(2.0, 4.0, 1.0, 0.75),
}
SHARES = {"fp32": (0.55, 0.70), "bf16": (0.35, 0.50)}
"""Least share of the machine's product peak that `small` must turn into useful work, and the aim."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One comparison."""

    method: str
    size: str
    precision: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.size} {self.precision}"


CELLS = [
    *(Cell("dpo", size, precision) for size in SHAPES for precision in SHARES),
    *(Cell("contrastive_cpo", "small", precision) for precision in SHARES),
    *(Cell("reward", "small", precision) for precision in SHARES),
    Cell("rloo", WORLD, "fp32"),
]


@dataclass(frozen=True, slots=True)
class Result:
    """Both sides' measurements of a cell, one per round."""

    cell: Cell
    ours: Sequence[Measured]
    theirs: Sequence[Measured]

    @property
    def speeds(self) -> tuple[float, float]:
        return median(m.per_second for m in self.ours), median(m.per_second for m in self.theirs)

    @property
    def peaks(self) -> tuple[float, float]:
        """GiB."""
        return median(m.peak_bytes / GIB for m in self.ours), median(m.peak_bytes / GIB for m in self.theirs)


Peaks = dict[str, dict[str, float]]
"""GFLOP/s by precision and by library, as product.py writes them."""


def fill(report: Report, results: Sequence[Result], peaks: Peaks) -> None:
    """Add every row that the results give."""
    for result in results:
        _add_comparison(report, result)
    ratios = [r.speeds[0] / r.speeds[1] for r in results if r.cell.method == "dpo"]
    if ratios:
        mean = geometric_mean(ratios)
        report.add("dpo, geometric mean of the ratios", "×", mean, must="≥ 2.5 (aim 4)", ok=mean >= 2.5)
    for result in results:
        if result.cell.method == "dpo" and result.cell.size == "small":
            _add_shares(report, result, peaks[result.cell.precision])


def _add_comparison(report: Report, result: Result) -> None:
    limits = LIMITS[result.cell.method]
    ours, theirs = result.speeds
    unit = "completions/s" if result.cell.method == "rloo" else "pairs/s"
    must = f"≥ {limits.speed:g} × (aim {limits.speed_aim:g})"
    report.add(result.cell.name, unit, ours, rival=theirs, must=must, ok=ours >= limits.speed * theirs)
    ours, theirs = result.peaks
    must = f"≤ {limits.memory:g} × (aim {limits.memory_aim:g})"
    name = f"{result.cell.name}, peak memory"
    report.add(name, "GiB", ours, rival=theirs, must=must, ok=ours <= limits.memory * theirs)


def _add_shares(report: Report, result: Result, peaks: dict[str, float]) -> None:
    """Useful work against the faster product, which decides, and against torch's; then that of a plain layout."""
    shape, batch = SHAPES[result.cell.size], [flops.lengths(pair) for pair in pairs()]
    steps = result.speeds[0] / BATCH
    useful, plain = (steps * count(shape, batch) * BATCH / len(batch) / 1e9 for count in (flops.ours, flops.plain))
    least, aim = SHARES[result.cell.precision]
    fastest = max(peaks.values())
    name = f"{result.cell.name}, useful share of the product peak"
    must = f"≥ {least:g} (aim {aim:g})"
    report.add(f"{name} ({fastest:.0f} GFLOP/s)", "", useful / fastest, must=must, ok=useful >= least * fastest)
    report.add(f"{name} of torch.matmul ({peaks['torch']:.0f})", "", useful / peaks["torch"], must="reported", ok=True)
    report.add(f"{name}, counted for a plain layout", "", plain / fastest, must="reported", ok=True)
