"""RLHF with real vLLM as its sampler, in the trainer's process: same probabilities, and the weights of every step."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.engine.conftest import events, save_model, start
from training.config import RLHFConfig
from training.engine.errors import EngineError
from training.engine.policy import load_policy
from training.engine.vllm_rollouts import _check

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

SETTINGS = {
    "sampler": "vllm",
    "max_new_tokens": 8,
    "group_size": 4,
    "batch_size": 4,
    "max_steps": 4,
    "lora_rank": 8,
    "lora_alpha": 16.0,
    "learning_rate": 2e-2,
    "kl_beta": 0.0,
    "warmup_ratio": 0.0,
    "probe_prompts": 0,
    "reward": {"batch_size": 8, "epochs": 2},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny Llama with heads of 32, the least that vLLM's attention takes."""
    return save_model(tmp_path_factory.mktemp("vllm") / "llama", hidden=128)


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_vllm_samples_from_the_weights_of_every_step(make_run, model, tuning):
    """The gap says so: weights that moved by nats of KL, sampled from stale ones, would show at once."""
    folder = make_run("rlhf", model=model, tuning=tuning, **SETTINGS)
    assert start(folder).wait(timeout=400) == 0, (folder / "trainer.log").read_text()[-3000:]
    steps = [e["values"] for e in events(folder, "metrics") if "rollout/sampler_gap" in e["values"]]
    assert max(values["rollout/sampler_gap"] for values in steps) < 1e-3
    assert steps[-1]["rollout/kl"] > 0.3
    assert abs(steps[0]["rollout/kl"]) < 1e-3
    assert not (folder / "vllm_adapters").exists()


def test_vllm_on_several_devices_is_refused_with_a_sentence(model):
    config = RLHFConfig(sampler="vllm", devices=2)
    with pytest.raises(EngineError, match=r"vLLM samples on one device.*Set sampler to transformers, or devices to 1"):
        _check(load_policy(str(model), config), config)
