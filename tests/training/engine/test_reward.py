"""The reward model as a method: what a run measures, leaves behind and says when it cannot go on."""

from __future__ import annotations

import json

import pytest

from tests.training.engine.conftest import colour_rows, events, train_here

QUICK = {"learning_rate": 1e-2, "epochs": 2, "max_new_tokens": 8}


def metrics(folder):
    return json.loads((folder / "result.json").read_text())["metrics"]


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_a_reward_run_learns_the_preference_and_leaves_a_reward_model(make_run, tuning):
    folder = make_run("reward", tuning=tuning, **QUICK)
    assert train_here(folder) == 0
    result = json.loads((folder / "result.json").read_text())
    assert result["makes"] == "reward model"
    assert result["metrics"]["reward_held_out/accuracy"] > 0.9
