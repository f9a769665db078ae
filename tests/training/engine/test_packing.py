"""Packed batches: their layout, and that they give the log-probabilities and gradients of plain ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.training.engine.conftest import example, save_model
from training.config import DPOConfig
from training.engine import lm_head
from training.engine.logprobs import answer_log_probs
from training.engine.packing import MULTIPLE, PADDING, Example, pack, split_by_tokens
from training.engine.policy import Policy, load_policy

ARCHITECTURES = ["llama", "qwen2", "gpt2"]
MIXED = [example(4, 3, 5), example(9, 1, 7, first=40), example(2, 6, first=80), example(30, 20, 25, 3, first=100)]


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Policy]:
    folder: Path = tmp_path_factory.mktemp("architectures")
    return {kind: load_policy(str(save_model(folder / kind, kind)), DPOConfig()) for kind in ARCHITECTURES}


def naive_log_prob(policy: Policy, prompt: tuple[int, ...], answer: tuple[int, ...]) -> Tensor:
    """The model's own forward pass on one unpadded sequence, its full logits and the textbook shift."""
    logits = policy.model(input_ids=torch.tensor([prompt + answer])).logits[0].float()
    predicted = logits[len(prompt) - 1 : -1].log_softmax(-1)
    return torch.as_tensor(predicted.gather(1, torch.tensor(answer)[:, None]).sum())


def gradient(policy: Policy, examples: list[Example], *, packed: bool, one_row: bool = False) -> Tensor:
    policy.model.requires_grad_(True).zero_grad()
    log_probs = answer_log_probs(policy, pack(examples, packed=packed, one_row=one_row))
    (log_probs * torch.linspace(-1, 1, len(log_probs))).sum().backward()
    return torch.cat([p.grad.flatten() for p in policy.model.parameters() if p.grad is not None])


def test_a_pair_is_laid_out_as_prompt_and_two_answers():
    batch = pack([Example((11, 12, 13), ((21, 22), (31,)))])
    assert batch.tokens.tolist() == [[11, 12, 13, 21, 22, 31]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 4, 3]]
    assert batch.branch_of.tolist() == [[0, 0, 0, 1, 1, 2]]


def test_both_answers_are_predicted_from_the_prompts_last_position():
    batch = pack([Example((11, 12, 13), ((21, 22), (31,)))])
    assert batch.sources.tolist() == [2, 3, 2]
    assert batch.targets.tolist() == [21, 22, 31]
    assert batch.answer_of.tolist() == [0, 0, 1]
    assert batch.ends.tolist() == [4, 5]


def test_the_block_mask_hides_the_other_answer_and_the_future():
    mask = pack([Example((11,), ((21, 22), (31,)))]).attention_mask(torch.float32)
    visible = (mask[0, 0] == 0).int().tolist()
    assert visible == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 1]]


def test_examples_in_one_row_do_not_see_each_other():
    batch = pack([example(2, 2), example(1, 1, first=50)])
    assert batch.example_of.tolist() == [[0, 0, 0, 0, 1, 1]]
    visible = batch.attention_mask(torch.float32)[0, 0] == 0
    assert not visible[4:, :4].any()


def test_rows_are_filled_until_the_longest_example_or_the_row_length():
    batch = pack([example(100, 28), example(60, 4), example(60, 4)])
    assert batch.tokens.shape == (2, 128)
    assert (batch.example_of == PADDING).sum() == 0


def test_one_row_holds_every_token_once_and_its_segments_are_the_examples():
    batch = pack([example(3, 2, 1), example(2, 4, first=50)], one_row=True)
    assert batch.tokens.shape == (1, MULTIPLE)
    assert (batch.example_of != PADDING).sum() == 12
    assert [(s.start, s.end) for s in batch.segments()] == [(0, 6), (6, 12), (12, MULTIPLE)]


def test_a_segments_mask_is_its_block_of_the_whole_mask():
    batch = pack(MIXED, one_row=True)
    whole = batch.attention_mask(torch.float32)[0, 0]
    blocks = [segment.mask for segment in batch.segments()]
    assert torch.equal(torch.block_diag(*(b == 0 for b in blocks)).bool(), whole == 0)


def test_plain_batches_have_one_row_per_answer():
    batch = pack([example(4, 3, 5)], packed=False)
    assert batch.tokens.shape == (2, 9)
    assert batch.attention_mask(torch.float32).tolist() == [[1] * 7 + [0] * 2, [1] * 9]


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        pack([])


def test_splitting_keeps_order_and_stays_within_the_budget():
    assert split_by_tokens([example(5, 5)] * 5, most=25) == [[0, 1], [2, 3], [4]]


def test_an_example_above_the_budget_gets_a_pass_of_its_own():
    assert split_by_tokens([example(5, 5), example(50, 50), example(5, 5)], most=25) == [[0], [1], [2]]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_packed_log_probabilities_are_those_of_plain_batches(policies, kind):
    policy = policies[kind]
    plain = answer_log_probs(policy, pack(MIXED, packed=False))
    for one_row in (True, False):
        packed = answer_log_probs(policy, pack(MIXED, one_row=one_row))
        assert torch.allclose(packed, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_log_probabilities_are_those_of_the_models_own_logits(policies, kind):
    policy = policies[kind]
    expected = [naive_log_prob(policy, e.prompt, answer) for e in MIXED for answer in e.answers]
    assert torch.allclose(answer_log_probs(policy, pack(MIXED)), torch.stack(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_packed_gradients_point_where_plain_ones_do(policies, kind):
    plain = gradient(policies[kind], MIXED, packed=False)
    for one_row in (True, False):
        packed = gradient(policies[kind], MIXED, packed=True, one_row=one_row)
        assert torch.nn.functional.cosine_similarity(packed, plain, dim=0) > 0.99999


def test_the_architectures_take_block_masks(policies):
    assert all(policy.packed for policy in policies.values())


def test_a_model_with_sliding_windows_gets_plain_batches(tmp_path):
    import json

    folder = save_model(tmp_path / "qwen2", "qwen2")
    config = json.loads((folder / "config.json").read_text())
    config |= {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
    config["layer_types"] = ["full_attention", "sliding_attention"]
    (folder / "config.json").write_text(json.dumps(config))
    assert not load_policy(str(folder), DPOConfig()).packed


def test_the_order_of_a_batch_does_not_change_its_values(policies):
    forward = answer_log_probs(policies["llama"], pack(MIXED[:2]))
    backward = answer_log_probs(policies["llama"], pack(MIXED[1::-1]))
    assert torch.allclose(forward[[2, 3, 0, 1]], backward, rtol=1e-5, atol=1e-5)


def test_the_head_in_chunks_gives_values_and_gradients_of_the_whole(policies, monkeypatch):
    policy = policies["llama"]
    whole_values, whole = answer_log_probs(policy, pack(MIXED)), gradient(policy, MIXED, packed=True)
    monkeypatch.setitem(lm_head.MOST_LOGITS, "cpu", 7 * policy.head.vocabulary)
    assert torch.allclose(answer_log_probs(policy, pack(MIXED)), whole_values, rtol=1e-6)
    assert torch.allclose(gradient(policy, MIXED, packed=True), whole, rtol=1e-4, atol=1e-5)


def test_temperature_divides_the_logits(policies):
    policy, pair = policies["llama"], example(3, 1)
    logits = policy.model(input_ids=torch.tensor([pair.prompt])).logits[0, -1].float()
    expected = (logits / 0.5).log_softmax(-1)[pair.answers[0][0]]
    found = answer_log_probs(policy, pack([pair]), temperature=0.5)[0]
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5)
