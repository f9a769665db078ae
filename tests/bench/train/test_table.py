"""The report's rows and conditions, from measurements that were not taken."""

from __future__ import annotations

import pytest

from bench.report import Report
from bench.train.measuring import Measured
from bench.train.table import Cell, Result, fill

PEAKS = {"fp32": {"torch": 100.0, "engine": 200.0}, "bf16": {"torch": 800.0, "engine": 800.0}}
GIB = 1 << 30


def result(cell: Cell, ours: float, theirs: float, *, memory: float = 0.5) -> Result:
    return Result(cell, [Measured(ours, int(memory * GIB), 10)], [Measured(theirs, GIB, 10)])


def rows(*results: Result) -> dict[str, tuple[float | None, bool]]:
    report = Report("?")
    fill(report, results, PEAKS)
    return {row.name: (row.value, row.ok) for row in report.rows}


@pytest.mark.parametrize("method, least", [("dpo", 2.5), ("contrastive_cpo", 2.5), ("reward", 1.6), ("rloo", 2.0)])
def test_each_method_has_its_least_ratio(method, least):
    cell = Cell(method, "tiny", "fp32")
    assert rows(result(cell, least * 10, 10))[cell.name] == (least * 10, True)
    assert rows(result(cell, least * 10 - 0.1, 10))[cell.name][1] is False


def test_memory_above_its_share_of_the_rivals_fails():
    cell = Cell("dpo", "tiny", "fp32")
    assert rows(result(cell, 30, 10, memory=0.74))["dpo tiny fp32, peak memory"][1]
    assert not rows(result(cell, 30, 10, memory=0.76))["dpo tiny fp32, peak memory"][1]


def test_the_middle_of_three_rounds_counts():
    cell = Cell("dpo", "tiny", "fp32")
    rounds = [Measured(speed, GIB // 2, 10) for speed in (1.0, 30.0, 50.0)]
    found = rows(Result(cell, rounds, [Measured(10.0, GIB, 10)] * 3))
    assert found[cell.name] == (30.0, True)


def test_the_ratios_of_dpo_are_averaged_geometrically():
    """Ratios 2 and 8 have the geometric mean 4."""
    cells = result(Cell("dpo", "tiny", "fp32"), 20, 10), result(Cell("dpo", "tiny", "bf16"), 80, 10)
    assert rows(*cells)["dpo, geometric mean of the ratios"][0] == pytest.approx(4)


def test_the_share_of_the_peak_is_judged_against_the_faster_product():
    report = Report("?")
    fill(report, [result(Cell("dpo", "small", "fp32"), 30, 10)], PEAKS)
    shares = {row.name: row for row in report.rows if "peak (" in row.name or "matmul" in row.name}
    judged, by_torch = shares.values()
    assert "200 GFLOP/s" in judged.name
    assert judged.must.startswith("≥ 0.55")
    assert judged.value is not None
    assert by_torch.value == pytest.approx(2 * judged.value)
