"""Sampling answers from a policy: one decoding loop over Transformers' KV cache, the same on every device.

Prompts are padded on the left so that all answers grow from the same column; each prompt is encoded once, however
many answers it gets, and finished answers leave the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from training.engine.data import Messages, Template
from training.engine.policy import Policy

SAMPLE_TOKENS = 128
"""Longest answer shown on the run page."""

SHRINK_BELOW = 0.75
"""The batch is cut down when less than this share of its rows is unfinished: copying the cache has a price."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A sampled answer: its tokens, with the end token where it `finished` and was not cut off."""

    tokens: tuple[int, ...]
    finished: bool


@torch.no_grad()
def sample(
    policy: Policy, prompts: Sequence[tuple[int, ...]], *, count: int, max_new_tokens: int, temperature: float
) -> list[list[Answer]]:
    """`count` answers to each prompt, from torch's global generator; temperature 0 takes the likeliest token."""
    decoder = _Decoder(policy, prompts, count)
    done: list[Answer | None] = [None] * (len(prompts) * count)
    written: list[list[int]] = [[] for _ in done]
    live = list(range(len(done)))
    end = policy.tokenizer.eos_token_id
    logits = decoder.first_logits
    for position in range(max_new_tokens):
        tokens = _choose(logits, temperature)
        for row, token in zip(decoder.rows, tokens.tolist(), strict=True):
            if done[row] is None:
                written[row].append(token)
                if token == end:
                    done[row] = Answer(tuple(written[row]), True)
        live = [row for row in decoder.rows if done[row] is None]
        if not live or position + 1 == max_new_tokens:
            break
        tokens = decoder.keep(live, tokens) if len(live) < SHRINK_BELOW * len(decoder.rows) else tokens
        logits = decoder.advance(tokens)
    answers = [answer or Answer(tuple(written[row]), False) for row, answer in enumerate(done)]
    return [answers[i : i + count] for i in range(0, len(answers), count)]


def _choose(logits: Tensor, temperature: float) -> Tensor:
    """One token per row of [rows, vocabulary]."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    return torch.multinomial(torch.softmax(logits / temperature, dim=-1), 1).squeeze(1)


class _Decoder:
    """The state of a batch of growing sequences: cache, mask, and which answer each row holds."""

    def __init__(self, policy: Policy, prompts: Sequence[tuple[int, ...]], count: int) -> None:
        self._policy = policy
        width = max(map(len, prompts))
        tokens = torch.zeros(len(prompts), width, dtype=torch.long)
        self._mask = torch.zeros(len(prompts), width, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            tokens[row, width - len(prompt) :] = torch.tensor(prompt)
            self._mask[row, width - len(prompt) :] = 1
        self._mask = self._mask.to(policy.device)
        self._cache = DynamicCache(config=policy.model.config)
        positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)
        logits = self._forward(tokens.to(policy.device), positions)
        self._cache.batch_repeat_interleave(count)
        self._mask = self._mask.repeat_interleave(count, dim=0)
        self._position = positions[:, -1:].repeat_interleave(count, dim=0)
        self.first_logits = logits.repeat_interleave(count, dim=0)
        self.rows = list(range(len(prompts) * count))

    def advance(self, tokens: Tensor) -> Tensor:
        """Append one token per row; the logits [rows, vocabulary] of the next."""
        self._position = self._position + 1
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        return self._forward(tokens[:, None], self._position)

    def keep(self, live: list[int], tokens: Tensor) -> Tensor:
        """Forget the finished rows; `live` are answers, in the order of their rows."""
        wanted = set(live)
        index = torch.tensor([i for i, row in enumerate(self.rows) if row in wanted], device=tokens.device)
        self._cache.batch_select_indices(index)
        self._mask, self._position = self._mask[index], self._position[index]
        self.rows = live
        return tokens[index]

    def _forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        with self._policy.autocast():
            output = self._policy.model(
                input_ids=tokens,
                attention_mask=self._mask,
                position_ids=positions,
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        logits: Tensor = output.logits
        return logits[:, -1].float()


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
