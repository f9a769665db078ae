"""The trainer as the worker starts it: a process, a folder, events, an exit status; and what a kill leaves behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.engine.conftest import LAYERS_VLLM_ADAPTS, colour_rows, events, kill, start, train, wait_for_step

RLHF = {"max_new_tokens": 8, "group_size": 2, "batch_size": 4, "reward": {"batch_size": 8, "epochs": 6}}


def result(folder: Path) -> Any:
    return json.loads((folder / "result.json").read_text())


def curves(folder: Path) -> dict[tuple[int, str], float]:
    """Every point of every curve; where attempts overlap, the later one's."""
    return {(e["step"], name): value for e in events(folder, "metrics") for name, value in e["values"].items()}


def last_state(folder: Path, prefix: str) -> Any:
    state = torch.load(max((folder / "checkpoints").glob(f"{prefix}-*")) / "state.pt", weights_only=True)
    state["state"] |= {"seconds": 0.0, "peak_memory": 0}
    return state


def equal(first: Any, second: Any) -> bool:
    """Bit for bit, through dictionaries, lists and tensors."""
    if isinstance(first, torch.Tensor):
        return bool(torch.equal(first, second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


def assert_same_outcome(whole: Path, interrupted: Path, prefix: str = "step") -> None:
    for key in ("digest", "metrics", "tokens", "step"):
        assert result(interrupted)[key] == result(whole)[key], key
    assert curves(interrupted) == curves(whole)
    assert equal(last_state(interrupted, prefix), last_state(whole, prefix))


def test_sft_from_random_weights_writes_a_model_folder(make_run):
    rows = [{**row, "rejected": None} for row in colour_rows(40, held_out=8)]
    folder = make_run("sft", rows=rows, from_scratch=True, tuning="full", learning_rate=1e-2, epochs=3)
    assert train(folder) == 0
    losses = [value for (_, name), value in sorted(curves(folder).items()) if name == "held_out/loss"]
    assert losses[-1] < 0.7 * losses[0]
    assert {p.name for p in (folder / "artifact").iterdir()} >= {"model.safetensors", "config.json", "tokenizer.json"}
    assert [e["kind"] for e in events(folder)][-1] == "finished"


def test_cpo_writes_an_adapter_for_the_server(make_run):
    folder = make_run("cpo", learning_rate=1e-2, epochs=3)
    assert train(folder) == 0
    adapter = json.loads((folder / "artifact" / "adapter_config.json").read_text())
    assert set(adapter["target_modules"]) == LAYERS_VLLM_ADAPTS
    found = result(folder)
    assert (found["tuning"], found["lora_rank"], found["step"]) == ("lora", 4, 12)
    assert found["metrics"]["held_out/margin_gain"] > 1
    assert found["train_seconds"] > 0
    assert found["tokens"] > 0
    assert found["peak_memory_bytes"] > 1e8


def test_dpo_killed_and_started_again_ends_as_if_nothing_had_happened(make_run):
    whole = make_run("dpo", name="whole", tuning="full", max_steps=30)
    assert train(whole) == 0
    killed = make_run("dpo", name="killed", tuning="full", max_steps=30)
    process = start(killed)
    wait_for_step(killed, 9, process)
    assert kill(process) == -signal.SIGKILL
    assert train(killed) == 0
    assert events(killed, "started")[-1]["resumed_from"] >= 8
    assert_same_outcome(whole, killed)


@pytest.fixture(scope="module")
def whole_rlhf(tmp_path_factory, model_folder) -> Path:
    """An uninterrupted RLHF run, to compare others with."""
    from tests.training.engine.conftest import make_run_in

    folder = make_run_in(tmp_path_factory.mktemp("rlhf"), model_folder)("rlhf", name="whole", max_steps=30, **RLHF)
    assert train(folder) == 0
    return folder


def test_rlhf_trains_a_reward_model_and_then_a_policy(whole_rlhf):
    metrics = result(whole_rlhf)["metrics"]
    assert metrics["reward_held_out/accuracy"] > 0.7
    assert {"rollout/kl", "rollout/score", "rollout/truncated_share", "rollout/length"} <= metrics.keys()
    assert (whole_rlhf / "reward_model" / "reward.json").is_file()
    stages = [e["name"] for e in events(whole_rlhf, "stage")]
    assert stages.index("training the reward model") < stages.index("training")


def test_the_policy_starts_at_the_reference(whole_rlhf):
    """The ratio of the first step is 1: the KL of untouched weights is 0 up to rounding."""
    assert abs(curves(whole_rlhf)[1, "rollout/kl"]) < 1e-4


@pytest.mark.parametrize("curve, step", [("reward/loss", 5), ("train/loss", 9)], ids=["reward model", "policy"])
def test_rlhf_killed_in_either_stage_ends_as_if_nothing_had_happened(make_run, whole_rlhf, curve, step):
    killed = make_run("rlhf", name="killed", max_steps=30, **RLHF)
    process = start(killed)
    wait_for_step(killed, step, process, curve)
    assert kill(process) == -signal.SIGKILL
    assert train(killed) == 0
    assert_same_outcome(whole_rlhf, killed)


def test_sigterm_ends_with_a_checkpoint_and_status_3(make_run):
    folder = make_run("sft", max_steps=200, checkpoint_every=1000)
    process = start(folder)
    wait_for_step(folder, 5, process)
    assert kill(process, signal.SIGTERM) == 3
    [checkpoint] = events(folder, "checkpoint")
    assert (folder / checkpoint["path"] / "manifest.json").is_file()
    assert not (folder / "result.json").exists()


def test_an_invalid_specification_is_refused_quickly_with_its_faults(make_run):
    folder = make_run("dpo", beta=-1, unknown=3)
    assert train(folder) == 4
    [failed] = events(folder, "failed")
    assert "beta: Input should be greater than 0" in failed["reason"]
    assert "unknown: Extra inputs are not permitted" in failed["reason"]


def test_starting_the_trainer_does_not_load_torch_before_the_specification_is_read():
    code = "import sys, training.engine.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_folder_that_does_not_exist_is_refused(make_run, tmp_path):
    folder = make_run("dpo", model=tmp_path / "nowhere")
    assert train(folder) == 4
    [failed] = events(folder, "failed")
    assert f"The model folder {tmp_path / 'nowhere'} does not exist." in failed["reason"]
    assert failed["remedy"]
