"""Useful floating-point operations of a step on pairs, forward and backward.

A weight matrix of n numbers costs 2 n per token forward and 4 n backward: 6 n. Attention costs, per query and key that
it may see and per layer, 4 h forward (scores, weighted sum) and 8 h backward. Norms, activations, adapters and the
optimizer are not counted, nor is anything that is computed twice or for padding.

    ours    every prompt once, the LM head on the positions that predict answer tokens
    plain   one sequence per answer, so every prompt twice, the LM head on every position
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.train.inputs import Shape

PROMPT_MARKS, ANSWER_MARKS = 4, 1
"""What the chat template adds: begin, role, end and the assistant's role; the end of the answer."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of a pair's prompt and of its two answers."""

    prompt: int
    answers: tuple[int, ...]


def lengths(pair: dict[str, list[dict[str, str]]]) -> Lengths:
    """Of a row of inputs.pairs, whose words are tokens."""
    words = {name: len(pair[name][0]["content"].split()) for name in ("prompt", "chosen", "rejected")}
    return Lengths(words["prompt"] + PROMPT_MARKS, (words["chosen"] + ANSWER_MARKS, words["rejected"] + ANSWER_MARKS))


def ours(shape: Shape, pairs: Iterable[Lengths], *, frozen: bool = False) -> float:
    """FLOP of training on these pairs once, as the engine lays them out; `frozen` weights cost 4 n (LoRA)."""
    total, per_weight = 0.0, 4.0 if frozen else 6.0
    for pair in pairs:
        seen = _causal(pair.prompt) + sum(_causal(n) + n * pair.prompt for n in pair.answers)
        total += _body(shape, pair.prompt + sum(pair.answers), seen, per_weight)
        total += per_weight * shape.vocabulary * shape.hidden * sum(pair.answers)
    return total


def plain(shape: Shape, pairs: Iterable[Lengths]) -> float:
    """FLOP of training on these pairs once, as separate sequences without padding."""
    sequences = [pair.prompt + n for pair in pairs for n in pair.answers]
    return sum(_body(shape, n, _causal(n), 6.0) + 6.0 * shape.vocabulary * shape.hidden * n for n in sequences)


def layer_weights(shape: Shape) -> int:
    """Numbers in the matrices of one layer: queries and output, keys and values, the gated feed-forward."""
    key_width = shape.hidden * (shape.key_heads or shape.heads) // shape.heads
    return 2 * shape.hidden**2 + 2 * shape.hidden * key_width + 3 * shape.hidden * shape.feed_forward


def _body(shape: Shape, tokens: int, seen: int, per_weight: float) -> float:
    return shape.layers * (per_weight * layer_weights(shape) * tokens + 12.0 * shape.hidden * seen)


def _causal(tokens: int) -> int:
    """Pairs of a query and a key that is not later."""
    return tokens * (tokens + 1) // 2
