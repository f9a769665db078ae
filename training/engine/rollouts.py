"""Sampling answers from a policy in the trainer itself (vllm_rollouts.py does the same through vLLM).

Every sampled token's log-probability is returned with it: it is what the policy's own forward pass gives for that
token, up to rounding, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training.config import RLHFConfig
from training.engine.data import Messages, Template
from training.engine.decoding import decoder_for
from training.engine.distributed import on_whole_weights
from training.engine.errors import EngineError
from training.engine.packing import Example, split_by_tokens
from training.engine.policy import Policy

SAMPLE_TOKENS = 128
"""Longest answer shown on the run page."""

DECODING_SHARE = 8
"""How many times the tokens of a training pass are decoded at once: only keys and values are kept of them."""

SHRINK_BELOW = 0.9
"""The batch is cut down when less than this share of its rows is unfinished: moving cached rows has a price."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A sampled answer: its tokens, with the end token where it `finished` and was not cut off.

    `log_probs` are the tokens' log-probabilities under what drew them, at its temperature.
    """

    tokens: tuple[int, ...]
    finished: bool
    log_probs: tuple[float, ...] = ()


@torch.no_grad()
@on_whole_weights
def sample(
    policy: Policy, prompts: Sequence[tuple[int, ...]], *, count: int, max_new_tokens: int, temperature: float
) -> list[list[Answer]]:
    """`count` answers to each prompt, from torch's global generator; temperature 0 takes the likeliest token.

    Raises EngineError when the policy's probabilities are not numbers.
    """
    decoder = decoder_for(policy, prompts, count, max_new_tokens)
    end = policy.tokenizer.eos_token_id
    with policy.autocast():  # entered once, so that weights are cast once
        logits = decoder.start()
        answers = len(logits)
        tokens = torch.full((answers, max_new_tokens), end, device=logits.device)
        log_probs = logits.new_zeros(answers, max_new_tokens)
        rows = torch.arange(answers, device=logits.device)  # the answer that each row of the batch holds
        live = torch.ones_like(rows, dtype=torch.bool)
        for position in range(max_new_tokens):
            chosen, chosen_log_probs = _choose(logits, temperature)
            tokens[rows, position], log_probs[rows, position] = chosen, chosen_log_probs
            live &= chosen != end
            unfinished = int(live.sum())
            if not unfinished or position + 1 == max_new_tokens:
                break
            if unfinished < SHRINK_BELOW * len(rows):
                kept = decoder.keep(live)
                rows, live, chosen = rows[kept], live[kept], chosen[kept]
            logits = decoder.advance(chosen)
    written = _answers(tokens, log_probs, end)
    return [written[i : i + count] for i in range(0, answers, count)]


def sample_groups(policy: Policy, prompts: Sequence[tuple[int, ...]], config: RLHFConfig) -> list[list[Answer]]:
    """A group of answers to each prompt, in as few batches as memory allows."""
    longest = [Example(prompt, ((0,) * config.max_new_tokens,) * config.group_size) for prompt in prompts]
    groups = []
    for part in split_by_tokens(longest, DECODING_SHARE * config.tokens_per_pass):
        groups += sample(
            policy,
            [prompts[i] for i in part],
            count=config.group_size,
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature,
        )
    return groups


def _answers(tokens: Tensor, log_probs: Tensor, end: int) -> list[Answer]:
    """Rows [answers, new tokens], each cut after its first end token; those without one were cut off."""
    if not torch.isfinite(log_probs).all():
        raise EngineError(
            "The policy gave probabilities that are not numbers while it wrote an answer.",
            "Lower learning_rate, or train in fp32.",
        )
    ended = tokens == end
    finished = ended.any(dim=1)
    lengths = torch.where(finished, ended.int().argmax(dim=1) + 1, tokens.shape[1])
    rows = zip(tokens.tolist(), log_probs.tolist(), lengths.tolist(), finished.tolist(), strict=True)
    return [Answer(tuple(row[:n]), done, tuple(values[:n])) for row, values, n, done in rows]


def _choose(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """One token per row of [rows, vocabulary], and its log-probability; both [rows].

    Drawn by inverting the distribution function at one uniform number per row, which is cheaper than one per token.
    """
    scaled = logits / temperature if temperature not in (0, 1) else logits
    log_probs = torch.log_softmax(scaled, dim=-1)
    if temperature == 0:
        tokens = log_probs.argmax(dim=-1)
    else:
        cumulative = log_probs.exp().cumsum(dim=-1)
        point = torch.rand_like(cumulative[:, :1]) * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, point, right=True).squeeze(1).clamp_(max=logits.shape[1] - 1)
    return tokens, log_probs.gather(1, tokens[:, None]).squeeze(1)


def show_samples(policy: Policy, prompts: Sequence[Messages], max_new_tokens: int) -> list[dict[str, Any]]:
    """The likeliest answer to each prompt, as the `samples` event holds it."""
    if not prompts:
        return []
    ids = Template(policy.tokenizer).prompt_ids(prompts)
    room = max(1, min(max_new_tokens, policy.context_length - max(map(len, ids))))
    answers = sample(policy, ids, count=1, max_new_tokens=room, temperature=0.0)
    return [
        {"prompt": prompt, "text": policy.tokenizer.decode(answer.tokens, skip_special_tokens=True).strip()}
        for prompt, [answer] in zip(prompts, answers, strict=True)
    ]
