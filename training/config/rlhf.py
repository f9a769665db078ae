"""RLHF: a reward model, then a policy gradient on its scores."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

import regex
from pydantic import Field, ValidationError, field_validator, model_validator

from training.config.base import ADVANCED, Count, Fraction, Frozen, NotNegative, Passes, PolicyConfig, Positive
from training.config.methods import Method


class RewardConfig(Frozen):
    """The reward model that RLHF trains first, where none is chosen."""

    learning_rate: Positive = Field(1e-3, description="Peak step size of the reward model.")
    epochs: Passes = Field(1.0, description="Passes over the pairs; reward models overfit quickly.")
    batch_size: Count = Field(32, description="Pairs per step of the reward model.")
    centring: NotNegative = Field(
        0.01,
        description="Weight of (r_chosen + r_rejected)^2, which keeps rewards around zero.",
        json_schema_extra=ADVANCED,
    )
    use_margin: bool = Field(
        False, description="Demand that the gap exceed each pair's margin column.", json_schema_extra=ADVANCED
    )


class PPOConfig(Frozen):
    """What PPO needs beyond the other algorithms: a value head and its loss."""

    gae_lambda: Fraction = Field(
        0.95,
        description="How far advantages look ahead: 1 trusts rewards, 0 the value head.",
        json_schema_extra=ADVANCED,
    )
    discount: Fraction = Field(1.0, description="Worth of the next token's reward today.", json_schema_extra=ADVANCED)
    value_clip: Positive = Field(
        0.2, description="Most that a value may move in one update before its loss is cut.", json_schema_extra=ADVANCED
    )
    value_weight: NotNegative = Field(0.1, description="Weight of the value head's loss.", json_schema_extra=ADVANCED)


BUILT_IN_TERMS = {"kl", "missing_eos", "length", "repetition"}
"""Terms of the reward that have settings of their own; each term is a curve, so a rule needs another name."""


class RewardRule(Frozen):
    """One named term of the reward: `value` for every answer in which the pattern is found."""

    name: str
    value: float
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            regex.compile(pattern)
        except regex.error as error:
            raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
        return pattern


class RLHFConfig(PolicyConfig):
    """Reward model, then RLOO (arXiv 2402.14740), GRPO, Dr. GRPO or PPO with the KL estimate inside the reward."""

    method: Literal[Method.RLHF] = Method.RLHF
    algorithm: Literal["rloo", "grpo", "dr_grpo", "ppo"] = Field(
        "rloo",
        description="RLOO: each answer against the others of its prompt. GRPO: the same, divided by their spread. "
        "Dr. GRPO: neither spread nor answer length divides. PPO: a value head in place of the group.",
    )
    reward: RewardConfig = Field(default_factory=RewardConfig, description="The reward model that is trained first.")
    kl_beta: NotNegative = Field(
        0.05, description="Price of a nat of distance from the reference. 0 invites over-optimisation."
    )
    group_size: Count = Field(4, description="Answers sampled per prompt; each is judged against the others.")
    max_new_tokens: Count = Field(64, description="Longest sampled answer in tokens.")
    temperature: Positive = Field(1.0, description="Sampling temperature of the rollouts.", json_schema_extra=ADVANCED)
    missing_eos_penalty: NotNegative = Field(
        1.0, description="Taken from the reward of an answer that was cut off.", json_schema_extra=ADVANCED
    )
    length_penalty: NotNegative = Field(
        0.0,
        description="Taken from the reward for every token beyond the length at which it begins.",
        json_schema_extra=ADVANCED,
    )
    length_penalty_from: int = Field(
        0, ge=0, description="Length in tokens up to which an answer costs nothing.", json_schema_extra=ADVANCED
    )
    repetition_penalty: NotNegative = Field(
        0.0,
        description="Taken from the reward times the share of the answer's trigrams that occurred in it before.",
        json_schema_extra=ADVANCED,
    )
    rules: str = Field(
        "",
        description="Further terms, one a line: a name, a number to add, and a regular expression, as in "
        "'apology -0.5 (?i)i am sorry'.",
        json_schema_extra={**ADVANCED, "lines": True},
    )
    reward_clip: Positive = Field(
        10.0, description="Rewards beyond plus or minus this are clipped.", json_schema_extra=ADVANCED
    )
    updates_per_batch: Count = Field(
        1,
        description="Optimizer steps on each batch of answers; above 1 the ratio is clipped.",
        json_schema_extra=ADVANCED,
    )
    clip_range: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="How far the probability ratio may leave 1 and still be pushed.", json_schema_extra=ADVANCED
    )
    ppo: PPOConfig = Field(default_factory=PPOConfig, description="The value head of PPO.")
    sampler: Literal["transformers", "vllm"] = Field(
        "transformers",
        description="What writes the answers: the trainer's own loop, or vLLM on the same device (GPU).",
        json_schema_extra=ADVANCED,
    )
    ratio_cap: Annotated[float, Field(ge=1)] = Field(
        2.0,
        description="Largest weight that corrects for the sampler's probabilities differing from the trainer's.",
        json_schema_extra=ADVANCED,
    )

    @property
    def reward_rules(self) -> list[RewardRule]:
        """The lines of `rules`, parsed."""
        return [_rule(line) for line in self.rules.splitlines() if line.strip()]

    @field_validator("rules")
    @classmethod
    def _rules_parse(cls, rules: str) -> str:
        names = [_rule(line).name for line in rules.splitlines() if line.strip()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"rules has two terms called {twice}: give each its own name")
        if taken := next((name for name in names if name in BUILT_IN_TERMS), None):
            raise ValueError(f"rules has a term called {taken}, which is the name of a built-in one: choose another")
        return rules

    @model_validator(mode="after")
    def _group_is_a_group(self) -> Self:
        if self.algorithm != "ppo" and self.group_size < 2:
            raise ValueError(
                "group_size must be 2 or more: an answer is judged against the others of its prompt. Only PPO can do "
                "with one"
            )
        return self


def _rule(line: str) -> RewardRule:
    """'apology -0.5 (?i)sorry' as a rule; raises ValueError with what is wrong with the line."""
    parts = line.split(maxsplit=2)
    if len(parts) < 3 or not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", parts[0]):
        raise ValueError(
            f"rules must hold a name in small letters, a number and a regular expression on each line, not {line!r}"
        )
    try:
        return RewardRule.model_validate(dict(zip(("name", "value", "pattern"), parts, strict=True)))
    except ValidationError as error:
        fault = error.errors()[0]
        words = (
            f"{parts[1]!r} is no finite number"
            if fault["loc"] == ("value",)
            else fault["msg"].removeprefix("Value error, ")
        )
        raise ValueError(f"rules holds {line!r}: {words}") from None
