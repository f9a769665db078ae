"""The reward that a policy is trained on: the reward model's score, clipped, and named terms beside it.

Each term is logged apart as rollout/term_<name>. The price of KL is the one term that is not here: PPO pays it token
by token (rlhf.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import regex
import torch
from torch import Tensor

from training.config import RewardRule, RLHFConfig
from training.engine.errors import EngineError
from training.engine.rollouts import Answer

RULE_SECONDS = 1.0
"""Longest search of one rule in one answer: some patterns take time exponential in the text's length."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """Rewards [answers]: the clipped scores plus the terms, each [answers] too."""

    rewards: Tensor
    terms: dict[str, Tensor]


def shaped_rewards(scores: Tensor, answers: Sequence[Answer], texts: Sequence[str], config: RLHFConfig) -> Shaped:
    """Clipped scores [answers] plus every term that the configuration switches on; on the scores' device.

    `texts` are the decoded answers, for the rules. Raises EngineError where a score is not a number or a rule takes
    too long.
    """
    _check_scores(scores)
    terms = {name: scores.new_tensor(values) for name, values in _terms(answers, texts, config).items()}
    return Shaped(scores.clamp(-config.reward_clip, config.reward_clip) + sum(terms.values()), terms)


def repetition(tokens: Sequence[int]) -> float:
    """Share of the trigrams that occurred before in the same sequence; 0 for fewer than three tokens."""
    trigrams = list(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return 1 - len(set(trigrams)) / len(trigrams) if trigrams else 0.0


def _terms(answers: Sequence[Answer], texts: Sequence[str], config: RLHFConfig) -> dict[str, list[float]]:
    """The value of each term that is on, for every answer."""
    terms: dict[str, list[float]] = {}
    if config.missing_eos_penalty:
        terms["missing_eos"] = [0.0 if a.finished else -config.missing_eos_penalty for a in answers]
    if config.length_penalty:
        beyond = [max(0, len(a.tokens) - config.length_penalty_from) for a in answers]
        terms["length"] = [-config.length_penalty * tokens for tokens in beyond]
    if config.repetition_penalty:
        terms["repetition"] = [-config.repetition_penalty * repetition(a.tokens) for a in answers]
    for rule in config.reward_rules:
        terms[rule.name] = [rule.value if _found(rule, text) else 0.0 for text in texts]
    return terms


def _found(rule: RewardRule, text: str) -> bool:
    """Whether the rule's pattern occurs; the `regex` package is used because its searches can be given a time."""
    try:
        return regex.search(rule.pattern, text, timeout=RULE_SECONDS) is not None
    except TimeoutError as error:
        raise EngineError(
            f"The reward rule {rule.name} did not finish within {RULE_SECONDS:g} s on an answer of {len(text)} "
            f"characters: {text[:80]!r}.",
            "Simplify its pattern; nested repetitions such as (a+)+ are the usual cause.",
        ) from error


def _check_scores(scores: Tensor) -> None:
    broken = int((~torch.isfinite(scores)).sum())
    if broken:
        raise EngineError(
            f"The reward model gave {broken} of {len(scores)} answers a score that is not a finite number.",
            "Train the reward model again with a smaller learning rate, or in fp32.",
        )
