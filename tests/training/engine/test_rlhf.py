"""RLHF as a whole: every algorithm learns, agrees with itself however the work is cut up, and resumes bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.engine.conftest import events, save_model, train_here
from tests.training.engine.test_loop import StopAfter
from training.config import RLHFConfig
from training.engine import rlhf
from training.engine.experience import Actors, Experience, _weigh_tokens, collect
from training.engine.packing import Batch
from training.engine.policy import Policy, load_policy, make_trainable
from training.engine.rollouts import sample_groups
from training.engine.value_head import fresh_value_head

ALGORITHMS = ["rloo", "grpo", "dr_grpo", "ppo"]
SMALL: dict[str, Any] = {
    "max_new_tokens": 6,
    "group_size": 3,
    "batch_size": 4,
    "probe_prompts": 0,
    "sample_count": 0,
    "tuning": "full",
}
PROMPTS = [(5, 6, 7), (20, 21, 22, 23, 24), (40,), (9, 8)]


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Policy:
    policy = load_policy(str(save_model(tmp_path_factory.mktemp("rl") / "llama")), RLHFConfig(tuning="full"))
    make_trainable(policy, RLHFConfig(tuning="full"))
    return policy


class EvenIsGood:
    """A reward that needs no model: four times the share of the answer's tokens with an even number."""

    def scores(self, batch: Batch) -> torch.Tensor:
        even = (batch.targets % 2 == 0).float()
        return 4 * torch.zeros(batch.answers).index_add(0, batch.answer_of, even) / batch.lengths


@pytest.fixture
def even_is_good(monkeypatch):
    """RLHF without a reward model's training."""
    monkeypatch.setattr("training.engine.reward.obtain", lambda *_: EvenIsGood())


def a_batch(policy: Policy, **settings: Any) -> tuple[Actors, Experience, RLHFConfig]:
    """Experience of untrained weights, the policy being its own reference."""
    config = RLHFConfig(**{"tuning": "full", "max_new_tokens": 6, "group_size": 3, **settings})
    head = fresh_value_head(policy) if config.algorithm == "ppo" else None
    sampler = lambda prompts, step: sample_groups(policy, prompts, config)  # noqa: E731
    actors = Actors(policy, policy, EvenIsGood(), sampler, head)  # type: ignore[arg-type]
    torch.manual_seed(5)
    return actors, collect(actors, PROMPTS, 0, config), config


def gradient(policy: Policy, actors: Actors, experience: Experience, config: RLHFConfig) -> torch.Tensor:
    policy.model.zero_grad()
    for pending in rlhf._parts(actors, experience, config):
        pending().loss.backward()
    return torch.cat([p.grad.flatten() for _, p in policy.trained() if p.grad is not None])


def metrics(folder: Path) -> dict[str, float]:
    values: dict[str, float] = json.loads((folder / "result.json").read_text())["metrics"]
    return values


def curve(folder: Path, name: str) -> list[float]:
    return [e["values"][name] for e in events(folder, "metrics") if name in e["values"]]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_raises_its_reward(make_run, even_is_good, algorithm):
    """Half of the tokens are even by chance, a score of 2; without a price for KL it rises well above, and KL shows."""
    settings = {**SMALL, "learning_rate": 1e-2, "kl_beta": 0.0, "max_steps": 30, "updates_per_batch": 2}
    folder = make_run("rlhf", algorithm=algorithm, **settings)
    assert train_here(folder) == 0
    scores = curve(folder, "rollout/score")
    assert sum(scores[-3:]) / 3 > sum(scores[:3]) / 3 + 0.7
    assert metrics(folder)["rollout/kl"] > 0.5
    assert metrics(folder)["rollout/term_kl"] == 0


def test_a_price_of_kl_keeps_the_policy_near_the_reference(make_run, even_is_good):
    settings = {**SMALL, "learning_rate": 5e-3, "max_steps": 30}
    free, held = make_run("rlhf", name="free", kl_beta=0.0, **settings), make_run("rlhf", kl_beta=0.5, **settings)
    assert (train_here(free), train_here(held)) == (0, 0)
    assert metrics(held)["rollout/kl"] < metrics(free)["rollout/kl"] / 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("looks", [3, 5])
def test_every_algorithm_resumes_as_if_nothing_had_happened(make_run, even_is_good, algorithm, looks):
    """Value head and its moments included; several updates to a batch lie within one step, so none is cut in two."""
    settings = {**SMALL, "algorithm": algorithm, "updates_per_batch": 2, "max_steps": 8}
    whole, stopped = make_run("rlhf", name="whole", **settings), make_run("rlhf", name="stopped", **settings)
    assert train_here(whole) == 0
    assert train_here(stopped, StopAfter(left=looks)) == 3
    assert train_here(stopped) == 0
    assert metrics(stopped) == metrics(whole)
    digests = [json.loads((folder / "result.json").read_text())["digest"] for folder in (whole, stopped)]
    assert digests[0] == digests[1]
    states = [torch.load(max((f / "checkpoints").glob("step-*")) / "state.pt")["weights"] for f in (whole, stopped)]
    assert ("value_head.weight" in states[0]) == (algorithm == "ppo")
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_ratio_is_one_on_weights_that_drew_the_answers(policy):
    """The bug test of every policy gradient: sampler and trainer must give a token the same probability."""
    actors, experience, config = a_batch(policy, updates_per_batch=2)
    [part] = [pending() for pending in rlhf._parts(actors, experience, config)]
    assert part.maxima["rollout/ratio_max"] == 1
    assert part.metrics["rollout/clip_share"] == 0
    assert part.metrics["rollout/sampler_gap"] < 1e-5
    assert abs(part.metrics["rollout/kl"]) < 1e-4


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_first_of_several_updates_has_the_gradient_of_a_single_one(policy, algorithm):
    one, several = (gradient(policy, *a_batch(policy, algorithm=algorithm, updates_per_batch=n)) for n in (1, 2))
    assert torch.allclose(one, several, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_number_of_passes_changes_nothing(policy, algorithm):
    """Prompts of 1 to 5 tokens with three answers: 256 tokens hold all four, 16 about one. Whitening sees all."""
    gradients = []
    for tokens in (8192, 256):
        actors, experience, config = a_batch(policy, algorithm=algorithm)
        if tokens == 256:  # the least that a configuration may ask for holds everything
            object.__setattr__(config, "tokens_per_pass", 16)
            torch.manual_seed(5)
            experience = collect(actors, PROMPTS, 0, config)
            assert len(experience.passes) > 1
        gradients.append(gradient(policy, actors, experience, config))
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-3, atol=1e-6)


def test_grpo_weighs_answers_alike_and_dr_grpo_tokens(policy):
    """Share of an answer of n tokens among A answers in the loss: n / (n A) against n / (A max_new_tokens)."""
    for algorithm in ("grpo", "dr_grpo"):
        _, experience, config = a_batch(policy, algorithm=algorithm)
        [one] = experience.passes
        shares = (rlhf._shares(one, experience, config) * torch.ones_like(one.kl)).tolist()
        first = int(one.batch.lengths[0])
        assert sum(shares[:first]) == pytest.approx(1 / 12 if algorithm == "grpo" else first / (12 * 6))


@pytest.mark.parametrize("settings", [{"precision": "bf16"}, {"sampler": "vllm"}], ids=["bf16", "vllm"])
def test_weights_for_the_sampler_scale_single_tokens(policy, settings):
    """A sampler that gives every token e^-0.5 of the trainer's probability: weights e^0.5 = 1.6487, capped at 1.5,
    so the gradient is 1.5 times the plain one."""
    plain, corrected = (a_batch(policy, ratio_cap=1.5, **settings) for _ in range(2))
    corrected[1].passes[0].sampled -= 0.5
    expected, found = (gradient(policy, *batch) for batch in (plain, corrected))
    assert torch.allclose(found, 1.5 * expected, rtol=1e-3, atol=1e-6)


def test_ppo_pays_for_kl_token_by_token_and_gives_the_score_to_the_last(policy):
    """Discount and lambda 1, values 0: the return at a token is the score less beta times the KL still to come."""
    settings = {"algorithm": "ppo", "kl_beta": 0.5, "missing_eos_penalty": 0, "ppo": {"gae_lambda": 1.0}}
    _, experience, config = a_batch(policy, **settings)
    [one] = experience.passes
    one.kl += 0.1  # as if every token had drifted by 0.1
    _weigh_tokens([one], one.scores, config)
    assert one.returns is not None
    first = int(one.batch.lengths[0])
    expected = [float(one.scores[0]) - 0.5 * 0.1 * (first - t) for t in range(first)]
    assert one.returns[:first].tolist() == pytest.approx(expected, abs=1e-4)
    assert float(one.advantages.mean()) == pytest.approx(0, abs=1e-6)
