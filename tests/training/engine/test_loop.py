"""The optimizer loop: step sizes, curves, a loss that is not finite, and runs that end early."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.training.engine.conftest import events, train_here
from training.config import DPOConfig
from training.engine.events import EventWriter
from training.engine.loop import learning_rate
from training.engine.run import StopSignal

EXPLODING = {
    "learning_rate": 1e30,
    "warmup_ratio": 0,
    "tuning": "full",
    "checkpoint_every": 1,
    "probe_prompts": 0,
    "sample_count": 0,
}
"""Weights of 1e30 after the first step, which nothing looks at before the second step's loss."""


def rates(schedule: str, steps: int = 10) -> list[float]:
    config = DPOConfig(learning_rate=1.0, warmup_ratio=0.2, schedule=schedule)
    return [round(learning_rate(config, step, steps), 4) for step in range(steps)]


@dataclass
class StopAfter(StopSignal):
    """Wants to stop when it has been asked `left` times, which the loop does once a step."""

    left: int = 0

    @property
    def requested(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_warm_up_rises_to_the_peak_and_linear_falls_to_zero():
    """Warm-up of 2 steps: 1/2, 1. Then 8 steps: 1 - k/8."""
    assert rates("linear") == [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]


def test_cosine_is_at_half_the_peak_half_way():
    """Step 6 of 10 is half way through the 8 steps after the warm-up: (1 + cos(pi/2)) / 2 = 0.5."""
    assert rates("cosine")[6] == 0.5


def test_constant_stays_at_the_peak():
    assert rates("constant")[2:] == [1.0] * 8


def test_splitting_a_batch_changes_neither_loss_nor_weights(make_run):
    """256 tokens a pass splits the step's pairs into several passes; their gradients add up to the same."""
    results = []
    for tokens in (256, 8192):
        folder = make_run(
            "dpo", name=f"pass-{tokens}", tokens_per_pass=tokens, tuning="full", batch_size=32, max_steps=3
        )
        assert train_here(folder) == 0
        results.append(json.loads((folder / "result.json").read_text())["metrics"])
    split, whole = results
    assert split["train/loss"] == pytest.approx(whole["train/loss"], rel=1e-4)
    assert split["held_out/margin"] == pytest.approx(whole["held_out/margin"], rel=1e-4)


def test_weights_of_rows_count(make_run):
    """A row of weight 0 teaches nothing: training on it leaves the policy's held-out margins where they were."""
    from tests.training.engine.conftest import colour_rows

    rows = [{**row, "weight": 1e-12 if row["split"] == "train" else 1.0} for row in colour_rows(16, held_out=4)]
    rows[0]["weight"] = 1.0
    folder = make_run("dpo", rows=rows, batch_size=12, max_steps=1, learning_rate=1e-3)
    only = make_run("dpo", rows=[rows[0], *rows[-4:]], batch_size=1, max_steps=1, learning_rate=1e-3, name="only")
    assert (train_here(folder), train_here(only)) == (0, 0)
    first, second = (json.loads((f / "result.json").read_text())["metrics"] for f in (folder, only))
    assert first["train/grad_norm"] == pytest.approx(second["train/grad_norm"], rel=1e-4)


def test_a_step_that_is_not_finite_ends_the_run_with_a_remedy(make_run):
    folder = make_run("dpo", max_steps=6, **EXPLODING)
    assert train_here(folder) == 4
    [failed] = events(folder, "failed")
    assert "not a finite number" in failed["reason"]
    assert "Lower learning_rate" in failed["remedy"]
    assert not (folder / "result.json").exists()


def test_a_run_that_is_broken_before_its_first_step_is_not_told_to_take_smaller_ones(make_run):
    folder = make_run("dpo", max_steps=1, beta=1e300)
    assert train_here(folder) == 4
    [failed] = events(folder, "failed")
    assert "such as beta" in failed["remedy"]


def test_a_step_that_is_not_finite_never_reaches_a_checkpoint(make_run):
    folder = make_run("dpo", max_steps=6, **EXPLODING)
    train_here(folder)
    for path in (folder / "checkpoints").glob("*/state.pt"):
        weights = torch.load(path, weights_only=True)["weights"]
        assert all(torch.isfinite(w).all() for w in weights.values())


def test_curves_of_long_runs_are_averaged(make_run, monkeypatch):
    monkeypatch.setattr("training.engine.loop.LOGGED_POINTS", 2)
    folder = make_run("dpo", max_steps=8, evaluate_every=100)
    assert train_here(folder) == 0
    assert [e["step"] for e in events(folder, "metrics") if "train/loss" in e["values"]] == [4, 8]


def test_a_run_that_is_asked_to_stop_saves_first(make_run):
    folder = make_run("dpo", max_steps=40, checkpoint_every=100)
    stopped = train_here(folder, StopAfter(left=4))
    assert stopped == 3
    assert events(folder, "checkpoint")


def test_the_process_that_started_the_trainer_being_gone_counts_as_a_stop():
    assert not StopSignal().requested
    assert StopSignal(parent=-1).requested


@pytest.mark.parametrize("checks", [3, 4, 7])
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(make_run, checks):
    """Also where the stop falls between two points of the averaged curves, whose sums travel in the checkpoint."""
    whole, stopped = make_run("dpo", name="whole", max_steps=12), make_run("dpo", name="stopped", max_steps=12)
    assert train_here(whole) == 0
    assert train_here(stopped, StopAfter(left=checks)) == 3
    assert train_here(stopped) == 0
    expected, found = (json.loads((f / "result.json").read_text()) for f in (whole, stopped))
    assert {**found, "run_id": 0, "train_seconds": 0, "peak_memory_bytes": 0} == {
        **expected,
        "run_id": 0,
        "train_seconds": 0,
        "peak_memory_bytes": 0,
    }


def test_a_torn_checkpoint_is_reported_and_the_run_goes_on_from_the_one_before(make_run):
    folder = make_run("dpo", max_steps=10, checkpoint_every=2)
    assert train_here(folder, StopAfter(left=5)) == 3
    newest = max((folder / "checkpoints").iterdir())
    (newest / "manifest.json").unlink()
    assert train_here(folder) == 0
    assert f"The checkpoint {newest.name} is incomplete" in events(folder, "notice")[-1]["message"]
    assert events(folder, "started")[-1]["resumed_from"] < int(newest.name[-8:])


def test_a_second_start_of_a_finished_run_only_says_so(make_run):
    from training.engine.__main__ import main

    folder = make_run("sft", max_steps=1)
    assert train_here(folder) == 0
    before = (folder / "result.json").stat().st_mtime_ns
    assert main(folder) == 0
    assert events(folder)[-1]["kind"] == "finished"
    assert (folder / "result.json").stat().st_mtime_ns == before


def test_reference_values_are_computed_once_for_runs_on_the_same_data(make_run, tmp_path):
    first, second = make_run("dpo", name="first", max_steps=1), make_run("cpo", name="second", max_steps=1)
    assert (train_here(first), train_here(second)) == (0, 0)
    stages = [[e["name"] for e in events(folder, "stage")] for folder in (first, second)]
    assert "computing reference log-probabilities" in stages[0]
    assert "computing reference log-probabilities" not in stages[1]
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_reference_values_of_another_length_are_computed_anew(make_run, tmp_path):
    first, second = (
        make_run("dpo", name="first", max_steps=1),
        make_run("dpo", name="second", max_steps=1, max_length=48),
    )
    assert (train_here(first), train_here(second)) == (0, 0)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_the_log_says_in_a_line_what_an_event_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    events = EventWriter(tmp_path / "events.jsonl", attempt=1)
    events.emit("metrics", 7, values={"train/loss": 0.123456})
    events.emit("stage", name="training", total_steps=9)
    events.notice("2 pairs dropped", level="warning")
    events.emit("samples", 7, samples=[])
    said = ["step 7: train/loss 0.1235", "training …", "warning: 2 pairs dropped"]
    assert capsys.readouterr().out.splitlines() == said
