"""Several processes share a run: they follow one process, stop together, fail with a sentence, and hand over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.engine.conftest import colour_rows, events, example, kill, start, train, train_here, wait_for_step
from training.engine import distributed
from training.engine.packing import split_by_tokens
from training.runs.process_groups import group_exists

QUIET = {"probe_prompts": 0, "sample_count": 0, "learning_rate": 1e-3}  # of runs that make a policy
RLHF = {"max_new_tokens": 8, "group_size": 2, "batch_size": 4, "reward": {"batch_size": 8, "epochs": 2}}


def curves(folder: Path) -> dict[tuple[int, str], float]:
    return {(e["step"], name): value for e in events(folder, "metrics") for name, value in e["values"].items()}


def weights(folder: Path, prefix: str = "step") -> dict[str, torch.Tensor]:
    newest = max((folder / "checkpoints").glob(f"{prefix}-*"))
    return dict(torch.load(newest / "state.pt", weights_only=True)["weights"])


def train_on_both(make_run: Any, method: str, **config: Any) -> tuple[Path, Path]:
    """The same run in one process and in two."""
    one, two = (make_run(method, name=f"on-{n}", devices=n, **config) for n in (1, 2))
    assert train_here(one) == 0
    assert train(two) == 0, (two / "trainer.log").read_text()[-3000:]
    return one, two


def assert_same_course(one: Path, two: Path, prefix: str = "step") -> None:
    """Every metric of every step and every weight at the end agree within 1e-4."""
    expected, found = curves(one), curves(two)
    assert found.keys() == expected.keys()
    assert {key: found[key] for key in found} == pytest.approx(expected, rel=1e-4, abs=1e-4)
    theirs = weights(two, prefix)
    for name, weight in weights(one, prefix).items():
        torch.testing.assert_close(theirs[name], weight, rtol=0, atol=1e-4)


def test_two_processes_follow_one_over_50_steps_of_dpo_with_lora(make_run):
    assert_same_course(*train_on_both(make_run, "dpo", max_steps=50, batch_size=7, **QUIET))


def test_two_processes_follow_one_over_50_steps_of_sft_of_all_weights(make_run):
    one, two = train_on_both(make_run, "sft", max_steps=50, tuning="full", tokens_per_pass=256, **QUIET)
    assert_same_course(one, two)
    names = [sorted(path.name for path in (folder / "artifact").iterdir()) for folder in (one, two)]
    assert names[0] == names[1]


def test_two_processes_follow_one_through_both_stages_of_rlhf(make_run):
    assert_same_course(*train_on_both(make_run, "rlhf", max_steps=8, updates_per_batch=2, **RLHF, **QUIET))


def test_two_processes_train_the_reward_model_of_one(make_run):
    assert_same_course(
        *train_on_both(make_run, "reward", max_steps=8, max_new_tokens=8, learning_rate=1e-3), prefix="reward"
    )


def test_sigterm_stops_all_processes_at_one_step_and_one_process_goes_on(make_run):
    """The checkpoint of two processes is that of one: the run is continued on a single device."""
    folder = make_run("dpo", max_steps=400, devices=2, checkpoint_every=1000, **QUIET)
    process = start(folder)
    wait_for_step(folder, 5, process)
    assert kill(process, signal.SIGTERM) == 3
    [checkpoint] = events(folder, "checkpoint")
    spec = json.loads((folder / "config.json").read_text())
    spec["config"] |= {"devices": 1, "max_steps": 400}
    (folder / "config.json").write_text(json.dumps(spec))
    process = start(folder)
    wait_for_step(folder, checkpoint["step"] + 2, process)
    kill(process)
    assert events(folder, "started")[-1]["resumed_from"] == checkpoint["step"]


def test_sigterm_while_the_processes_are_starting_stops_the_run_too(make_run):
    folder = make_run("dpo", max_steps=400, devices=2, **QUIET)
    process = start(folder)
    deadline = time.monotonic() + 60
    while not events(folder, "stage"):
        assert time.monotonic() < deadline, "the trainer does not start"
        time.sleep(0.01)
    assert kill(process, signal.SIGTERM) == 3
    assert not (folder / "result.json").exists()


def workers(process_id: int) -> list[int]:
    """The processes that a launcher started, oldest first."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return [int(child) for child in children if b"training.engine" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_process_that_dies_fails_the_run_with_a_sentence(make_run):
    folder = make_run("dpo", max_steps=4000, devices=2, **QUIET)
    process = start(folder)
    wait_for_step(folder, 3, process)
    os.kill(workers(process.pid)[1], signal.SIGKILL)
    assert process.wait(60) == 4
    [failed] = events(folder, "failed")
    assert "The process of device 1 was killed" in failed["reason"]
    assert "resume" in failed["remedy"]


def test_no_process_outlives_the_group_that_the_worker_kills(make_run):
    folder = make_run("dpo", max_steps=4000, devices=2, **QUIET)
    process = start(folder)
    wait_for_step(folder, 3, process)
    started = workers(process.pid)
    kill(process)
    deadline = time.monotonic() + 10
    while any(map(is_alive, started)):
        assert time.monotonic() < deadline, "a process lives on"
        time.sleep(0.05)
    assert len(started) == 2


def test_processes_whose_worker_is_gone_stop_with_a_checkpoint(make_run):
    """The worker is a shell here, killed alone; the trainer it started is adopted and ends by itself."""
    folder = make_run("dpo", max_steps=4000, devices=2, **QUIET)
    command = ["sh", "-c", '"$0" -m training.engine "$1" & wait', sys.executable, str(folder)]
    worker = subprocess.Popen(command, start_new_session=True)
    wait_for_step(folder, 3, worker)
    worker.kill()
    worker.wait()
    deadline = time.monotonic() + 60
    while group_exists(worker.pid):
        assert time.monotonic() < deadline, "the trainer goes on"
        time.sleep(0.05)
    assert not (folder / "result.json").exists()
    assert (folder / events(folder, "checkpoint")[-1]["path"] / "manifest.json").is_file()


def test_a_step_that_is_not_finite_ends_both_processes_with_one_sentence(make_run):
    """One poisoned row reaches one process only; its weight is so large that the loss overflows."""
    rows = colour_rows(16, held_out=2)
    rows[0]["weight"] = 1e308
    folder = make_run("dpo", rows=rows, devices=2, batch_size=14, max_steps=3, checkpoint_every=1, **QUIET)
    assert train(folder) == 4
    [failed] = events(folder, "failed")
    assert "not a finite number" in failed["reason"]
    assert not list((folder / "checkpoints").glob("*/manifest.json"))


def test_more_devices_than_there_are_is_refused_with_a_sentence(make_run):
    folder = make_run("dpo", devices=64)
    assert train(folder) == 4
    [failed] = events(folder, "failed")
    assert "asks for 64 devices" in failed["reason"]


@pytest.mark.parametrize("count", [1, 3, 4])
def test_every_part_counts_on_one_rank_and_ranks_have_equally_many(monkeypatch, count):
    """Of 3 parts, two ranks compute 2 each: (0, 2) and (1, a repeat of 2 that counts nothing)."""
    monkeypatch.setattr(distributed, "devices", lambda: 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(distributed, "this_rank", lambda rank=rank: rank)
        shares.append(list(distributed.share(range(count))))
    assert len(shares[0]) == len(shares[1])
    assert sorted(part for share in shares for part, counts in share if counts) == list(range(count))


def test_a_step_is_split_evenly_between_two_ways():
    """Lengths 6, 6, 6, 6, 12, 12: 24 tokens each way."""
    examples = [example(2, 2, 2)] * 4 + [example(4, 4, 4)] * 2
    assert split_by_tokens(examples, 1000, ways=2) == [[0, 1, 2, 3], [4, 5]]


def test_plain_batches_are_counted_as_they_are_laid_out():
    """Prompt 10, answers 2 and 5: two rows of 12 and 15, so 30 tokens; with another such example 60. Packed: 17, 34."""
    examples = [example(10, 2, 5)] * 2
    assert split_by_tokens(examples, 40) == [[0, 1]]
    assert split_by_tokens(examples, 40, packed=False) == [[0], [1]]
