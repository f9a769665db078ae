"""A measurement is a process of its own; ours is the engine's own command."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.train import accelerator, inputs, ours
from bench.train.measuring import measure


def test_the_peak_is_that_of_the_child(tmp_path: Path):
    """`python -m timeit` of 64 MiB holds at least that much."""
    peak = measure(["timeit", "-n", "1", "-r", "1", "bytearray(b'x' * (1 << 26))"], tmp_path / "log")
    assert peak >= 1 << 26


def test_a_child_that_fails_is_reported_with_the_end_of_its_log(tmp_path: Path):
    with pytest.raises(RuntimeError, match="No module named"):
        measure(["no_such_module"], tmp_path / "log")


def test_the_engine_is_timed_by_its_events_on_a_shrunken_shape(tmp_path: Path):
    model = tmp_path / "model"
    model.mkdir()
    inputs.write_model(model, accelerator.SHRUNKEN_SHAPES["shrunken"])
    found = ours.run(tmp_path / "run", model, "dpo", "fp32", seconds=0.5)
    assert found.per_second > 0
    assert found.peak_bytes > 1 << 27


def test_the_path_for_gpus_reports_what_the_engine_held(tmp_path: Path):
    model = tmp_path / "model"
    model.mkdir()
    inputs.write_model(model, accelerator.SHRUNKEN_SHAPES["shrunken"], dtype="bfloat16")
    found = ours.run_to_end(tmp_path / "run", model, tuning="lora", longer=1, at_once=inputs.BATCH, epochs=1)
    assert found.per_second > 0
    assert found.peak_bytes > 1 << 27


def test_without_a_gpu_nothing_is_measured_in_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    if accelerator.has_gpu():
        pytest.skip("there is one")
    assert accelerator.compare(tmp_path / "train.json", shrunken=False) == 2
    assert "no GPU" in capsys.readouterr().err
    assert not (tmp_path / "train.json").exists()
