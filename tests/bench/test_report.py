"""The one form of every measurement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.report import Report


def test_the_exit_status_is_0_when_every_row_is_ok(tmp_path: Path):
    report = Report("fast?")
    report.add("speed", "1/s", 3.0, rival=2.0, must="above the rival", ok=True)

    assert report.finish(tmp_path / "r.json") == 0


def test_the_exit_status_is_1_when_one_row_of_two_fails(tmp_path: Path):
    report = Report("fast?")
    report.add("speed", "1/s", 3.0, must="above 2", ok=True)
    report.add("memory", "GB", 3.0, must="below 2", ok=False)

    assert report.finish(tmp_path / "r.json") == 1


def test_a_report_without_rows_proves_nothing(tmp_path: Path):
    assert Report("fast?").finish(tmp_path / "r.json") == 1


def test_a_value_that_is_not_a_number_is_never_ok(tmp_path: Path):
    report = Report("fast?")
    report.add("speed", "1/s", float("nan"), must="measured", ok=True)

    assert report.finish(tmp_path / "r.json") == 1
    assert json.loads((tmp_path / "r.json").read_text())["rows"][0]["value"] is None


def test_the_file_holds_the_contracts_keys_and_the_ratio(tmp_path: Path):
    """3 per second against the rival's 2 is a ratio of 3 / 2 = 1.5."""
    report = Report("fast?", extra={"seed": 7})
    report.add("speed", "1/s", 3.0, rival=2.0, must="above the rival", ok=True)
    report.finish(tmp_path / "r.json")

    written = json.loads((tmp_path / "r.json").read_text())
    assert {"commit", "machine", "rows", "seed"} <= written.keys()
    assert written["rows"] == [
        {
            "name": "speed",
            "unit": "1/s",
            "value": 3.0,
            "rival": 2.0,
            "ratio": 1.5,
            "must": "above the rival",
            "ok": True,
        }
    ]


def test_a_figure_without_rival_has_no_ratio(tmp_path: Path):
    report = Report("fast?")
    report.add("speed", "1/s", 3.0, must="above 2", ok=True)
    report.finish(tmp_path / "r.json")

    row = json.loads((tmp_path / "r.json").read_text())["rows"][0]
    assert (row["rival"], row["ratio"]) == (None, None)


def test_the_table_names_the_condition_that_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    report = Report("fast?")
    report.add("speed", "1/s", 1.0, must="above 2", ok=False)
    report.finish(tmp_path / "r.json")

    assert "above 2  FAILED" in capsys.readouterr().out
