"""A run that is killed at any moment, several times, ends bit for bit as one that was left alone."""

from __future__ import annotations

import json
import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.engine.conftest import events, open_run, train_here
from tests.training.engine.test_trainer import assert_same_outcome
from training.config import DPOConfig, RLHFConfig
from training.engine import run as run_module
from training.engine.run import StopSignal, _config_digest

RLHF = {"max_new_tokens": 6, "group_size": 2, "batch_size": 4, "reward": {"batch_size": 16, "epochs": 2}}
OFTEN = {"checkpoint_every": 3, "evaluate_every": 3}
LOOKS = {"probe_prompts": 2, "sample_count": 1, **OFTEN}
RUNS: dict[str, dict[str, Any]] = {
    "dpo": {"max_steps": 14, "tuning": "full", **LOOKS},
    "rlhf": {"max_steps": 8, "updates_per_batch": 2, **RLHF, **LOOKS},
    "reward": {"max_steps": 9, "members": 2, "max_new_tokens": 6, **OFTEN},
}


@dataclass
class Counted(StopSignal):
    """Counts how often it is asked, which is once a step and once a pass of other work."""

    asked: int = 0

    @property
    def requested(self) -> bool:
        self.asked += 1
        return False


@dataclass
class KillAt(StopSignal):
    """Kills the process, as the kernel would for want of memory, when it has been asked `left` times."""

    left: int = 0

    @property
    def requested(self) -> bool:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return False


def is_killed(folder: Path, asks: int) -> bool:
    """Whether an attempt, in a process of its own, is killed before its end; fork spares it the imports."""
    child = os.fork()
    if child == 0:
        os._exit(train_here(folder, KillAt(left=asks)))
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("method", RUNS)
def test_a_run_killed_at_random_moments_ends_as_if_nothing_had_happened(make_run, method):
    """Moments are drawn by seed until an attempt gets through; some kills come before the first checkpoint."""
    whole, killed = (make_run(method, name=name, **RUNS[method]) for name in ("whole", "killed"))
    counted = Counted()
    assert train_here(whole, counted) == 0
    draw = random.Random(3)
    kills = 0
    while is_killed(killed, draw.randrange(2 * counted.asked // 3)):
        kills += 1
    assert kills >= 2
    assert any(event["resumed_from"] > 0 for event in events(killed, "started"))
    assert_same_outcome(whole, killed, prefix="reward" if method == "reward" else "step")


def manifest(folder: Path) -> Any:
    return json.loads((max((folder / "checkpoints").glob("step-*")) / "manifest.json").read_text())


def test_a_checkpoint_names_reference_template_data_seed_and_code(make_run):
    folder = make_run("dpo", max_steps=1, seed=5, **LOOKS)
    assert train_here(folder) == 0
    spec = json.loads((folder / "config.json").read_text())
    found = manifest(folder)
    assert found["identity"]["data"] == spec["data_sha256"]
    assert found["facts"]["reference"] == found["identity"]["model"] == open_run(folder).identity["model"]
    assert found["facts"]["seed"] == 5
    assert {len(found["facts"][name]) for name in ("template", "code")} == {64}


def test_a_setting_that_is_added_later_leaves_unfinished_runs_alone():
    """The digest is of what differs from the defaults: a setting at its default, old or new, is not in it."""
    digest = _config_digest(DPOConfig(beta=0.3))
    assert digest == _config_digest(DPOConfig(beta=0.3, nll_weight=0.0))
    assert digest != _config_digest(DPOConfig(beta=0.3, nll_weight=0.1))


def test_a_nested_setting_counts_too():
    first, second = (RLHFConfig(reward={"epochs": epochs}) for epochs in (1.0, 2.0))
    assert _config_digest(first) != _config_digest(second)


def test_where_a_run_computes_does_not_decide_whether_it_may_go_on():
    assert _config_digest(DPOConfig(devices=4, gradient_checkpointing=True)) == _config_digest(DPOConfig())


def test_a_checkpoint_of_other_code_is_continued_with_a_warning(make_run, monkeypatch):
    folder = make_run("dpo", max_steps=6, **LOOKS)
    assert is_killed(folder, 5)
    monkeypatch.setattr(run_module, "code_version", lambda: "another")
    assert train_here(folder) == 0
    [warning] = [e for e in events(folder, "notice") if "Another version of the engine" in e["message"]]
    assert warning["level"] == "warning"
    assert events(folder, "started")[-1]["resumed_from"] == 3


def test_recomputed_activations_give_the_same_gradients(make_run):
    """Only memory differs: every metric, the norm of the gradient among them, and every weight are the same."""
    plain, recomputed = (
        make_run("dpo", name=f"recompute-{on}", tuning="full", max_steps=3, gradient_checkpointing=on, **LOOKS)
        for on in (False, True)
    )
    assert (train_here(plain), train_here(recomputed)) == (0, 0)
    assert_same_outcome(plain, recomputed)


def test_layers_are_computed_twice_with_gradient_checkpointing(make_run, monkeypatch):
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer

    calls = {False: 0, True: 0}
    forward = LlamaDecoderLayer.forward
    for on in calls:

        def counted(self, *args, on=on, **options):
            calls[on] += 1
            return forward(self, *args, **options)

        monkeypatch.setattr(LlamaDecoderLayer, "forward", counted)
        folder = make_run(
            "dpo", name=f"count-{on}", max_steps=3, gradient_checkpointing=on, probe_prompts=0, sample_count=0
        )
        assert train_here(folder) == 0
    assert calls[True] > calls[False]


@pytest.mark.parametrize("method", ["dpo", "rlhf"])
def test_a_poisoned_row_stops_the_run_before_a_checkpoint(make_run, method):
    """A weight of 1e308 is infinite in fp32, and so is the loss of the step that meets it."""
    from tests.training.engine.conftest import colour_rows

    rows = colour_rows(16, held_out=2)
    rows[0]["weight"] = 1e308
    folder = make_run(
        method, rows=rows, **({**RLHF, "reward": {"batch_size": 14}} if method == "rlhf" else {}), **LOOKS
    )
    assert train_here(folder) == 4
    [failed] = events(folder, "failed")
    assert "not a finite number" in failed["reason"]
    assert not list((folder / "checkpoints").glob("*"))


def test_an_exploding_policy_of_rlhf_never_reaches_a_checkpoint(make_run):
    folder = make_run("rlhf", max_steps=6, learning_rate=1e30, warmup_ratio=0, tuning="full", **RLHF, **LOOKS)
    assert train_here(folder) == 4
    assert len(events(folder, "failed")) == 1
    for path in (folder / "checkpoints").glob("*/state.pt"):
        saved = torch.load(path, weights_only=True)["weights"]
        assert all(torch.isfinite(weight).all() for weight in saved.values())
