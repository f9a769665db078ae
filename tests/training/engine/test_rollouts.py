"""Sampling: the cached, left-padded, shrinking batch gives what one prompt alone gives."""

from __future__ import annotations

import pytest
import torch

from tests.training.engine.conftest import save_model, user
from training.config import DPOConfig
from training.engine import decoding
from training.engine.decoding import CacheDecoder, FusedDecoder, decoder_for
from training.engine.errors import EngineError
from training.engine.logprobs import token_log_probs
from training.engine.packing import Example
from training.engine.policy import Policy, load_policy, make_trainable
from training.engine.rollouts import sample, show_samples

PROMPTS = [(5, 6, 7), (20, 21, 22, 23, 24, 25, 26), (40,)]


@pytest.fixture(scope="module", params=["llama", "qwen2", "gpt2"])
def policy(request, tmp_path_factory) -> Policy:
    folder = save_model(tmp_path_factory.mktemp("sampled") / request.param, request.param)
    return load_policy(str(folder), DPOConfig())


def naive_greedy(policy: Policy, prompt: tuple[int, ...], length: int) -> tuple[int, ...]:
    """The likeliest next token of the whole sequence, again and again, without a cache."""
    ids = list(prompt)
    for _ in range(length):
        ids.append(int(policy.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == policy.tokenizer.eos_token_id:
            break
    return tuple(ids[len(prompt) :])


def test_greedy_answers_are_those_of_an_uncached_model(policy):
    answers = sample(policy, PROMPTS, count=1, max_new_tokens=12, temperature=0)
    assert [a.tokens for [a] in answers] == [naive_greedy(policy, p, 12) for p in PROMPTS]


def test_every_prompt_gets_its_count_of_answers(policy):
    torch.manual_seed(0)
    answers = sample(policy, PROMPTS, count=3, max_new_tokens=5, temperature=1.0)
    assert [len(group) for group in answers] == [3, 3, 3]
    assert len({a.tokens for a in answers[0]}) > 1


def test_an_answer_ends_with_the_end_token_or_at_the_limit(policy):
    torch.manual_seed(0)
    end = policy.tokenizer.eos_token_id
    answers = [a for group in sample(policy, PROMPTS, count=40, max_new_tokens=60, temperature=1.5) for a in group]
    assert {a.finished for a in answers} == {True, False}
    assert all((a.tokens[-1] == end) == a.finished and end not in a.tokens[:-1] for a in answers)
    assert all(a.finished or len(a.tokens) == 60 for a in answers)


def test_samples_follow_the_models_distribution(policy):
    """4,000 first tokens: the share of the likeliest lies within 4 standard errors of its probability."""
    torch.manual_seed(1)
    expected = policy.model(input_ids=torch.tensor([PROMPTS[1]])).logits[0, -1].softmax(-1)
    likeliest = int(expected.argmax())
    [answers] = sample(policy, PROMPTS[1:2], count=4000, max_new_tokens=1, temperature=1.0)
    p = float(expected[likeliest])
    share = sum(a.tokens[0] == likeliest for a in answers) / 4000
    assert abs(share - p) < 4 * (p * (1 - p) / 4000) ** 0.5


def test_the_same_seed_gives_the_same_answers(policy):
    first, second = (
        (torch.manual_seed(4), sample(policy, PROMPTS, count=2, max_new_tokens=8, temperature=1.0))[1] for _ in range(2)
    )
    assert first == second


def test_samples_for_people_hold_the_prompt_and_plain_text(policy):
    [shown] = show_samples(policy, [user("Which colour?")], 6)
    assert shown["prompt"] == user("Which colour?")
    assert "<|" not in shown["text"]


def test_no_prompts_give_no_samples(policy):
    assert show_samples(policy, [], 6) == []


def flat(policy: Policy, answers, temperature: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of sampled tokens by the sampler and by the trainer's packed forward pass."""
    batch = policy.collate([Example(p, tuple(a.tokens for a in g)) for p, g in zip(PROMPTS, answers, strict=True)])
    sampled = torch.tensor([x for group in answers for answer in group for x in answer.log_probs])
    return sampled, token_log_probs(policy, batch, temperature=temperature)


@torch.no_grad()
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sampled_log_probabilities_are_those_of_the_trainer(policy, temperature):
    torch.manual_seed(2)
    answers = sample(policy, PROMPTS, count=4, max_new_tokens=10, temperature=temperature)
    sampled, trained = flat(policy, answers, temperature)
    assert torch.allclose(sampled, trained, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_an_adapter_counts_in_sampling_as_in_training(tmp_path, kind):
    config = DPOConfig(lora_rank=4, lora_alpha=8.0)
    policy = load_policy(str(save_model(tmp_path / kind, kind)), config)
    make_trainable(policy, config)
    torch.manual_seed(3)
    bare = sample(policy, PROMPTS, count=2, max_new_tokens=10, temperature=1.0)
    for _, weight in policy.trained():
        weight.add_(torch.randn_like(weight), alpha=0.3)
    answers = sample(policy, PROMPTS, count=2, max_new_tokens=10, temperature=1.0)
    sampled, trained = flat(policy, answers)
    assert torch.allclose(sampled, trained, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(flat(policy, bare)[0], flat(policy, bare)[1], atol=0.1)


@torch.no_grad()
def test_both_decoders_give_the_same_logits_also_when_rows_are_dropped(policy, monkeypatch):
    fused = decoder_for(policy, PROMPTS, 2, 8)
    assert isinstance(fused, CacheDecoder if policy.model.config.model_type == "gpt2" else FusedDecoder)
    monkeypatch.setattr(decoding, "FUSED_BYTES", 0)
    cached = decoder_for(policy, PROMPTS, 2, 8)
    assert isinstance(cached, CacheDecoder)
    tokens, live = torch.arange(6) + 30, torch.tensor([False, True, True, False, False, True])
    assert torch.allclose(fused.start(), cached.start(), rtol=1e-5, atol=1e-5)
    assert torch.allclose(fused.advance(tokens), cached.advance(tokens), rtol=1e-5, atol=1e-5)
    orders = [decoder.keep(live) for decoder in (fused, cached)]
    assert [sorted(order.tolist()) for order in orders] == [[1, 2, 5], [1, 2, 5]]
    for step in range(3):
        first, second = (d.advance(tokens[o] + step)[o.argsort()] for d, o in zip((fused, cached), orders, strict=True))
        assert torch.allclose(first, second, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_policy_whose_probabilities_are_no_numbers_is_refused(tmp_path):
    policy = load_policy(str(save_model(tmp_path / "llama")), DPOConfig())
    policy.model.get_output_embeddings().weight[3] = float("nan")
    with pytest.raises(EngineError, match=r"probabilities that are not numbers.*Lower learning_rate"):
        sample(policy, PROMPTS, count=2, max_new_tokens=4, temperature=1.0)
