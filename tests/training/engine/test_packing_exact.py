"""Packing is exact: whatever shares a batch with an answer, and however it is laid out, its values are the same.

Layouts: `plain` has a row for each prompt and answer, padded; `rows` shares prompts and rows under a block mask;
`one row` has all tokens in one row and attends to each example apart, as runs on a CPU do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cosine_similarity

from tests.training.engine.conftest import save_model
from training.config import ContrastiveCPOConfig, DPOConfig
from training.engine import contrastive_cpo, dpo
from training.engine.logprobs import answer_log_probs, token_log_probs
from training.engine.packing import Example, pack
from training.engine.pairwise import Known
from training.engine.policy import Policy, load_policy

ARCHITECTURES = ["llama", "qwen2", "qwen3", "gpt2"]
LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {"packed": False},
    "rows": {"packed": True},
    "one row": {"packed": True, "one_row": True},
}
on_each = pytest.mark.parametrize("kind", ARCHITECTURES)
packed_ways = pytest.mark.parametrize("layout", ["rows", "one row"])


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Policy]:
    folder: Path = tmp_path_factory.mktemp("architectures")
    return {kind: load_policy(str(save_model(folder / kind, kind)), DPOConfig()) for kind in ARCHITECTURES}


def same(first: Tensor, second: Tensor) -> bool:
    return torch.allclose(first, second, rtol=1e-5, atol=1e-5)


def random_pairs(seed: int, count: int, longest: int = 40) -> list[Example]:
    """Pairs of random tokens; lengths from 1 on, so that some prompts and answers are a single token."""
    generator = torch.Generator().manual_seed(seed)

    def tokens() -> tuple[int, ...]:
        length = int(torch.randint(1, longest + 1, (), generator=generator))
        return tuple(torch.randint(5, 300, (length,), generator=generator).tolist())

    return [Example(tokens(), (tokens(), tokens()), row=row) for row in range(count)]


def log_probs(policy: Policy, examples: list[Example], layout: str) -> Tensor:
    with torch.no_grad():
        return answer_log_probs(policy, pack(examples, **LAYOUTS[layout])).view(-1, 2)


@on_each
@packed_ways
def test_token_log_probabilities_are_those_of_plain_batches(policies, kind, layout):
    examples = random_pairs(0, 12)
    with torch.no_grad():
        packed, plain = (token_log_probs(policies[kind], pack(examples, **LAYOUTS[way])) for way in (layout, "plain"))
    assert same(packed, plain)


@on_each
@packed_ways
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 6), longest=st.integers(1, 60))
def test_answer_log_probabilities_are_those_of_plain_batches_at_any_lengths(
    policies, kind, layout, seed, count, longest
):
    examples = random_pairs(seed, count, longest)
    found = log_probs(policies[kind], examples, layout)
    assert same(found, log_probs(policies[kind], examples, "plain"))


@on_each
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_else_is_in_a_batch_and_in_which_order_does_not_matter(policies, kind, layout):
    policy, examples = policies[kind], random_pairs(1, 6)
    whole = log_probs(policy, examples, layout)
    assert same(log_probs(policy, examples[::-1], layout), whole.flip(0))
    for row, alone in enumerate(examples):
        assert same(log_probs(policy, [alone], layout)[0], whole[row])


@on_each
@pytest.mark.parametrize("layout", LAYOUTS)
def test_swapped_answers_have_swapped_values(policies, kind, layout):
    examples = random_pairs(2, 5)
    swapped = [Example(e.prompt, e.answers[::-1], row=e.row) for e in examples]
    found = log_probs(policies[kind], swapped, layout)
    assert same(found, log_probs(policies[kind], examples, layout).flip(1))


def gradient(policy: Policy, examples: list[Example], layout: str, method: str) -> Tensor:
    """Of the method's mean loss over the pairs, all weights in one vector; the reference is not the policy."""
    policy.model.requires_grad_(True).zero_grad()
    reference = torch.randn(len(examples), 2, generator=torch.Generator().manual_seed(0)) * 5
    scored = answer_log_probs(policy, pack(examples, **LAYOUTS[layout])).view(-1, 2)
    place = {e.row: e.row for e in examples}
    pairs = Known(place, reference + scored.detach(), torch.zeros(len(examples)), True).of(examples, scored)
    if method == "dpo":
        loss = dpo.pair_loss(pairs, DPOConfig())
    else:
        loss = contrastive_cpo.pair_loss(pairs, ContrastiveCPOConfig(beta=0.02))
    loss.mean().backward()
    return torch.cat([p.grad.flatten() for p in policy.model.parameters() if p.grad is not None])


@on_each
@packed_ways
@pytest.mark.parametrize("method", ["dpo", "contrastive_cpo"])
def test_gradients_of_the_loss_are_those_of_plain_batches(policies, kind, layout, method):
    examples = random_pairs(3, 8)
    packed, plain = (gradient(policies[kind], examples, way, method) for way in (layout, "plain"))
    assert cosine_similarity(packed, plain, dim=0) > 0.99999
    assert packed.norm() / plain.norm() == pytest.approx(1, abs=1e-4)
