"""The reward model as a method: what a run measures and leaves behind, and how RLHF takes it over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training.engine.conftest import colour_rows, events, open_run, save_model, train_here
from training.config import RewardModelConfig, RLHFConfig
from training.engine import reward
from training.engine.data import load_examples
from training.engine.policy import Policy, frozen_copy, load_policy
from training.engine.reward import load_reward_model
from training.engine.run import StopSignal

QUICK = {"learning_rate": 1e-2, "epochs": 2, "max_new_tokens": 8}
RLHF = {"max_new_tokens": 8, "group_size": 2, "batch_size": 4, "max_steps": 1, "probe_prompts": 0}


def result(folder: Path) -> Any:
    return json.loads((folder / "result.json").read_text())


def facts(folder: Path) -> Any:
    return json.loads((folder / "reward.json").read_text())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def give_reward_model(folder: Path, artifact: Path) -> Path:
    """Name a trained reward model in the specification of a run."""
    spec = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**spec, "reward_model_path": str(artifact)}))
    return folder


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory, model_folder) -> Path:
    """A finished reward run with two members."""
    from tests.training.engine.conftest import make_run_in

    make = make_run_in(tmp_path_factory.mktemp("ensemble"), model_folder)
    folder = make("reward", name="ensemble", members=2, **QUICK)
    assert train_here(folder) == 0
    return folder


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_a_reward_run_learns_the_preference_and_leaves_a_reward_model(make_run, tuning):
    folder = make_run("reward", tuning=tuning, **QUICK)
    assert train_here(folder) == 0
    assert result(folder)["makes"] == "reward model"
    assert result(folder)["metrics"]["reward_held_out/accuracy"] > 0.9
    assert [e["kind"] for e in events(folder)][-1] == "finished"


def test_the_bases_own_answers_have_mean_0_and_deviation_1(ensemble):
    run = open_run(ensemble)
    config = run.spec.config
    assert isinstance(config, RewardModelConfig)
    base = load_policy(run.spec.model_path, config)
    examples = load_examples(run, base, paired=True)
    answers = reward._base_answers(run, base, examples, config, temperature=1.0)
    model = load_reward_model(ensemble / "artifact", base)
    with torch.no_grad():
        for scores in model.member_scores(base.collate(answers)):
            assert float(scores.mean()) == pytest.approx(0, abs=1e-4)
            assert float(scores.std(correction=0)) == pytest.approx(1, abs=1e-4)


def test_the_first_member_is_what_a_run_without_an_ensemble_trains(make_run, ensemble):
    alone = make_run("reward", name="alone", **QUICK)
    assert train_here(alone) == 0
    first = weights(ensemble / "artifact")
    assert all(torch.equal(first[name], value) for name, value in weights(alone / "artifact").items())


def test_the_second_member_differs_and_their_disagreement_is_measured(ensemble):
    first, second = (weights(ensemble / "artifact" / place) for place in (".", "members/2"))
    assert not any(torch.equal(first[name], second[name]) for name in first)
    assert facts(ensemble / "artifact")["members"] == 2
    measured = result(ensemble)["metrics"]
    assert {"reward_held_out/disagreement", "reward_held_out/member_gap", "member_2_held_out/ece"} <= measured.keys()


def test_the_held_out_scores_are_kept_for_alarms_to_point_at(ensemble):
    """Those of the first member, raw: their mean gap is the margin of its last look."""
    pairs = json.loads((ensemble / "evidence" / "reward.json").read_text())["pairs"]
    gaps = [pair["policy"][0] - pair["policy"][1] for pair in pairs]
    assert [pair["row"] for pair in pairs] == list(range(32, 40))
    assert sum(gaps) / len(gaps) == pytest.approx(result(ensemble)["metrics"]["reward_held_out/margin"], rel=1e-5)


class StopAfter(StopSignal):
    """Asks to stop the n-th time that the loop looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    @property
    def requested(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.mark.parametrize("looks", [5, 13], ids=["first member", "second member"])
def test_an_ensemble_stopped_in_either_member_ends_as_if_nothing_had_happened(make_run, ensemble, looks):
    folder = make_run("reward", name="ensemble", members=2, **QUICK)
    assert train_here(folder, StopAfter(looks)) == 3
    assert train_here(folder) == 0
    for key in ("metrics", "tokens", "step"):
        assert result(folder)[key] == result(ensemble)[key], key
    for place in (".", "members/2"):
        found, expected = (weights(run / "artifact" / place) for run in (folder, ensemble))
        assert all(torch.equal(found[name], expected[name]) for name in expected)
        names = ("shift", "scale", "temperature")
        found, expected = (facts(run / "artifact" / place) for run in (folder, ensemble))
        assert [found[name] for name in names] == [expected[name] for name in names]


def test_without_held_out_pairs_the_temperature_stays_1_and_the_run_says_so(make_run):
    folder = make_run("reward", rows=colour_rows(16), max_steps=1, max_new_tokens=8)
    assert train_here(folder) == 0
    assert facts(folder / "artifact")["temperature"] == 1.0
    assert any("not calibrated" in notice["message"] for notice in events(folder, "notice"))


def test_a_larger_margin_column_trains_a_larger_gap(make_run):
    rows = [{**row, "margin": 3.0} for row in colour_rows(40, held_out=8)]
    gaps = []
    for use_margin in (False, True):
        folder = make_run("reward", rows=rows, name=f"margin-{use_margin}", use_margin=use_margin, **QUICK)
        assert train_here(folder) == 0
        gaps.append(result(folder)["metrics"]["reward_held_out/margin"])
    assert gaps[1] > gaps[0]


def test_prompts_without_room_for_the_bases_answers_are_refused(make_run):
    folder = make_run("reward", max_new_tokens=400)
    assert train_here(folder) == 4
    [failed] = events(folder, "failed")
    assert "No prompt leaves room for 400 new tokens within 256 positions." in failed["reason"]


def test_rlhf_takes_a_reward_model_that_it_is_given(make_run, ensemble):
    folder = give_reward_model(make_run("rlhf", name="given", **RLHF), ensemble / "artifact")
    assert train_here(folder) == 0
    assert "training the reward model" not in [e["name"] for e in events(folder, "stage")]
    assert not (folder / "reward_model").exists()


def test_rlhf_with_full_weights_holds_no_more_copies_than_it_has_models(make_run, ensemble, monkeypatch):
    """A given reward model over an adapter shares the reference's weights: one copy of the policy, for the reference.
    One that is trained has weights of its own: a second copy."""
    copied = []

    def counted(policy: Policy, *, share_weights: bool) -> Policy:
        copied.append(share_weights)
        return frozen_copy(policy, share_weights=share_weights)

    for module in ("rlhf", "reward", "reward_artifacts"):
        monkeypatch.setattr(f"training.engine.{module}.frozen_copy", counted)
    given = give_reward_model(make_run("rlhf", name="given", tuning="full", **RLHF), ensemble / "artifact")
    for folder, copies in ((given, 1), (make_run("rlhf", name="trained", tuning="full", **RLHF), 2)):
        copied.clear()
        assert train_here(folder) == 0
        assert copied.count(False) == copies


def test_rlhf_refuses_a_reward_model_of_another_base(make_run, ensemble, tmp_path):
    other = save_model(tmp_path / "other", hidden=64)
    folder = give_reward_model(make_run("rlhf", name="given", model=other, **RLHF), ensemble / "artifact")
    assert train_here(folder) == 4
    assert "trained over another base" in events(folder, "failed")[0]["reason"]


def test_rlhf_trains_with_the_settings_of_its_first_stage():
    """The reward stage has a rate, length and batch of its own, ends by epochs, and shares everything else."""
    config = RLHFConfig(max_steps=7, lora_rank=4, lora_alpha=8.0, seed=3, max_new_tokens=9)
    found = reward._reward_config(config)
    assert (found.learning_rate, found.epochs, found.batch_size) == (1e-3, 1.0, 32)
    assert (found.max_steps, found.seed, found.lora_rank, found.max_new_tokens) == (0, 3, 4, 9)


def test_training_accuracy_goes_by_the_label(make_run):
    """Labels of 0.8 and a model that learns them: 8 of 10 pairs are right on average, on both sides."""
    rows = [{**row, "label": 0.8} for row in colour_rows(40, held_out=8)]
    folder = make_run("reward", rows=rows, **QUICK)
    assert train_here(folder) == 0
    measured = result(folder)["metrics"]
    assert measured["reward/accuracy"] == pytest.approx(0.8)
    assert measured["reward_held_out/accuracy"] == pytest.approx(0.8)


def test_a_pair_of_weight_0_does_not_move_the_model(make_run, model_folder):
    run = open_run(make_run("reward", **QUICK))
    config = run.spec.config
    assert isinstance(config, RewardModelConfig)
    model = reward._fresh_model(load_policy(str(model_folder), config), config)
    examples = load_examples(run, model.body, paired=True)
    stage = reward._Stage.of_member(0, config)
    heavy, light = examples.train[0], examples.train[1]
    without = reward._parts(model, [heavy], stage)[0]().loss
    light = type(light)(light.prompt, light.answers, weight=0.0)
    with_it = reward._parts(model, [heavy, light], stage)[0]().loss
    torch.testing.assert_close(with_it, without)


def test_the_step_does_not_depend_on_how_many_passes_it_takes(make_run, model_folder):
    run = open_run(make_run("reward", tokens_per_pass=256, **QUICK))
    config = run.spec.config
    assert isinstance(config, RewardModelConfig)
    model = reward._fresh_model(load_policy(str(model_folder), config), config)
    pairs = load_examples(run, model.body, paired=True).train
    small = reward._parts(model, pairs, reward._Stage.of_member(0, config))
    large = reward._parts(model, pairs, reward._Stage.of_member(0, config.model_copy(update={"tokens_per_pass": 8192})))
    assert len(small) > len(large) == 1
    torch.testing.assert_close(sum(part().loss for part in small), large[0]().loss)
