"""Parts of a benchmark: each is written when it is done, and none undoes another."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import parts as benchmark
from bench.report import Report

PARTS = benchmark.Parts("bench.data", ("planted", "noise"), "whatever")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "bench" / "data.json"


def measure(monkeypatch: pytest.MonkeyPatch, out: Path, **parts) -> int:
    """Runs the parts given by name, in place of the real ones."""
    found = {name: SimpleNamespace(measure=part) for name, part in parts.items()}
    monkeypatch.setattr(benchmark, "import_module", lambda name: found[name.rpartition(".")[2]])
    monkeypatch.setattr(sys, "argv", ["bench", "--out", str(out), "--only", *parts])
    return PARTS.main("")


def adds(value: float, *, ok: bool = True):
    def part(report: Report) -> None:
        report.add("figure", "s", value, must="", ok=ok)

    return part


def breaks(report: Report) -> None:
    report.add("figure", "s", 1, must="", ok=True)
    raise RuntimeError("the disk is gone")


def rows_of(out: Path) -> list[tuple[str, str, float | None, bool]]:
    return [(row["part"], row["name"], row["value"], row["ok"]) for row in json.loads(out.read_text())["rows"]]


def test_a_call_for_each_part_leaves_what_one_call_of_all_does(monkeypatch, out):
    measure(monkeypatch, out, noise=adds(2))
    measure(monkeypatch, out, planted=adds(1))
    assert rows_of(out) == [("planted", "figure", 1, True), ("noise", "figure", 2, True)]


def test_a_part_measured_anew_takes_the_place_of_its_old_rows(monkeypatch, out):
    measure(monkeypatch, out, noise=adds(2), planted=adds(1))
    measure(monkeypatch, out, noise=adds(3))
    assert rows_of(out) == [("planted", "figure", 1, True), ("noise", "figure", 3, True)]


def test_a_part_that_breaks_off_has_failed_and_the_next_is_measured(monkeypatch, out):
    assert measure(monkeypatch, out, planted=breaks, noise=adds(2)) == 1
    broken = ("planted", "planted (RuntimeError)", None, False)
    assert rows_of(out) == [("planted", "figure", 1, True), broken, ("noise", "figure", 2, True)]


@pytest.mark.parametrize("ok, status", [(True, 0), (False, 1)])
def test_the_exit_status_says_whether_every_condition_is_met(monkeypatch, out, ok, status):
    assert measure(monkeypatch, out, noise=adds(2, ok=ok)) == status


def test_every_part_has_its_commit_and_seconds(monkeypatch, out):
    measure(monkeypatch, out, noise=adds(2))
    part = json.loads(out.read_text())["parts"]["noise"]
    assert part["commit"]
    assert part["seconds"] >= 0
