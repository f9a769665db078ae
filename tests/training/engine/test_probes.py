"""Measurements on the policy's own answers: by hand where that is possible, else against a longer way round."""

from __future__ import annotations

import json
import math

import pytest
import torch

from tests.training.engine.conftest import open_run
from training.engine.data import load_examples
from training.engine.logprobs import answer_log_probs
from training.engine.loop import no_probe
from training.engine.packing import Example
from training.engine.policy import load_policy, make_trainable
from training.engine.probes import Probe, kl_estimates, make_probe

TOKENS = 12


def test_kl_estimates_by_hand():
    """Log-ratios (1, 0) and (-1): k1 is 1 and -1, so mean 0; deviation sqrt 2, so the interval is 1.96 sqrt 2 / sqrt 2.

    k3 of a token is e^-r - 1 + r: e^-1 for r = 1, 0 for r = 0, e - 2 for r = -1; the answers have e^-1 and e - 2.
    """
    found = kl_estimates(torch.tensor([1.0, 0.0, -1.0]), torch.tensor([2, 1]))
    assert found["kl"] == pytest.approx(0)
    assert [found["kl_low"], found["kl_high"]] == pytest.approx([-1.96, 1.96])
    assert found["kl_k3"] == pytest.approx((math.exp(-1) + math.e - 2) / 2)


def test_a_token_that_the_policy_should_never_have_drawn_leaves_k3_finite():
    assert math.isfinite(kl_estimates(torch.tensor([-500.0]), torch.tensor([1]))["kl_k3"])


def start(folder):
    """Run, policy and held-out examples as a method has them before training."""
    run = open_run(folder)
    policy = load_policy(run.spec.model_path, run.training)
    held_out = load_examples(run, policy, paired=True).held_out
    make_trainable(policy, run.training)
    return run, policy, held_out


def disturb(policy):
    """Move every trained weight as a large update would."""
    torch.manual_seed(1)
    with torch.no_grad():
        for _, weight in policy.trained():
            weight += 0.1 * torch.randn_like(weight)


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_before_training_the_policy_answers_like_its_reference(make_run, tuning):
    run, policy, held_out = start(make_run("dpo", tuning=tuning))
    found = make_probe(run, policy, held_out, TOKENS)(0)
    assert found["own/kl"] == pytest.approx(0, abs=1e-4)
    assert found["own/length_ratio"] == 1
    samples = json.loads((run.folder / "evidence" / "own.json").read_text())["samples"]
    assert len(samples) == len(held_out)
    assert all(sample["answer"] == sample["reference"] for sample in samples)


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_kl_is_the_mean_log_ratio_of_the_policys_own_answers(make_run, tuning):
    """The evidence holds each answer's KL; policy and reference, each loaded alone, give the same by plain batches."""
    run, policy, held_out = start(make_run("dpo", tuning=tuning))
    probe = make_probe(run, policy, held_out, TOKENS)
    assert isinstance(probe, Probe)
    disturb(policy)
    found = probe(4)
    samples = json.loads((run.folder / "evidence" / "own.json").read_text())["samples"]
    assert found["own/kl"] == pytest.approx(sum(s["kl"] for s in samples) / len(samples), rel=1e-5)
    assert found["own/kl_low"] < found["own/kl"] < found["own/kl_high"]
    reference = load_policy(run.spec.model_path, run.training)
    for sample, asked, answer in zip(samples, probe.asked, _answers_again(probe, 4), strict=True):
        batch = policy.collate([Example(asked.prompt, (answer,))])
        with torch.no_grad():
            ratio = answer_log_probs(policy, batch) - answer_log_probs(reference, batch)
        assert sample["kl"] == pytest.approx(float(ratio), abs=1e-3)


def _answers_again(probe, step):
    from training.engine.probes import _answers

    return [a.tokens for a in _answers(probe.run, probe.policy, probe.asked, probe.max_new_tokens, step=step)]


def test_entropy_is_that_of_the_distributions_the_tokens_were_drawn_from(make_run):
    run, policy, held_out = start(make_run("dpo"))
    probe = make_probe(run, policy, held_out[:1], TOKENS)
    found = probe(0)["own/entropy"]
    [answer] = _answers_again(probe, 0)
    prompt = held_out[0].prompt
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
    expected = torch.distributions.Categorical(logits=logits.float()).entropy().mean()
    assert found == pytest.approx(float(expected), rel=1e-3)


def test_a_look_is_a_function_of_seed_and_step_and_leaves_the_generator_alone(make_run):
    run, policy, held_out = start(make_run("dpo"))
    probe = make_probe(run, policy, held_out, TOKENS)
    before = torch.random.get_rng_state()
    first, other, again = probe(4), probe(8), probe(4)
    assert first == again
    assert first != other
    assert torch.equal(torch.random.get_rng_state(), before)


def test_training_goes_on_with_the_adapter_after_a_look(make_run):
    run, policy, held_out = start(make_run("dpo"))
    names = [name for name, _ in policy.trained()]
    make_probe(run, policy, held_out, TOKENS)(0)
    assert [name for name, _ in policy.trained()] == names


def test_a_policy_from_random_weights_has_no_reference_to_be_compared_with(make_run):
    run, policy, held_out = start(make_run("sft", from_scratch=True, tuning="full"))
    found = make_probe(run, policy, held_out, TOKENS)(0)
    assert "own/entropy" in found
    assert not {"own/kl", "own/length_ratio"} & found.keys()


def test_scores_of_a_judge_are_averaged_and_kept(make_run):
    run, policy, held_out = start(make_run("dpo"))
    probe = make_probe(run, policy, held_out, TOKENS, scores=lambda batch: batch.lengths.float())
    assert (found := probe(0))["own/score"] == pytest.approx(found["own/length"])


def test_each_prompt_is_asked_once_and_no_more_than_wanted(make_run):
    run, policy, held_out = start(make_run("dpo", probe_prompts=3))
    probe = make_probe(run, policy, held_out + held_out, TOKENS)
    assert isinstance(probe, Probe)
    assert len(probe.asked) == 3


def test_no_prompts_no_probe(make_run):
    run, policy, held_out = start(make_run("dpo", probe_prompts=0))
    assert make_probe(run, policy, held_out, TOKENS) is no_probe
