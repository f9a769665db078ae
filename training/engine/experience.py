"""From prompts to experience: answers sampled, judged by the reward model, compared with the reference, weighed.

    prompts ─sampler─> answers ─reward model─> scores ─shaping─> rewards ─less beta KL─> advantages
                          └─────reference─────> log-probabilities ──────┘

The KL to the reference is the k1 estimate inside the reward (methods on groups: its sum over the answer; PPO: token by
token), at the log-probabilities of what drew the answers. Everything here is constant for the updates that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from training.config import RLHFConfig
from training.engine import policy_gradients
from training.engine.logprobs import token_log_probs
from training.engine.packing import Batch, Example
from training.engine.policy import Policy
from training.engine.reward import RewardModel
from training.engine.rollouts import Answer
from training.engine.shaping import Shaped, shaped_rewards
from training.engine.value_head import log_probs_and_values

Prompt = tuple[int, ...]
Sampler = Callable[[Sequence[Prompt], int], list[list[Answer]]]
"""Prompts and the step's number to a group of answers for each prompt."""


@dataclass(frozen=True)
class Actors:
    """The models of a step: the policy, with PPO's value head, is trained; reference and reward model are frozen."""

    policy: Policy
    reference: Policy
    reward_model: RewardModel
    sampler: Sampler
    value_head: nn.Linear | None = None


@dataclass
class Pass:
    """The experience of one forward pass. N answer tokens in the order of the batch's targets, A answers."""

    batch: Batch
    tokens: int  # of prompts and answers
    sampled: Tensor  # [N] log-probabilities under what drew the tokens
    kl: Tensor  # [N] k1 against the reference
    scores: Tensor  # [A]
    values: Tensor | None  # [N] by the value head, PPO only
    advantages: Tensor = field(init=False)  # [A] for RLOO, whose ratio is that of answers, else [N]
    returns: Tensor | None = None  # [N] what the value head learns
    before: Tensor | None = None  # [N] the trainer's log-probabilities at the first update


@dataclass(frozen=True)
class Experience:
    """A step's batch of answers, in passes; `metrics` are means over it."""

    passes: list[Pass]
    answers: int
    tokens: int
    metrics: dict[str, Tensor]


@torch.no_grad()
def collect(actors: Actors, prompts: Sequence[Prompt], step: int, config: RLHFConfig) -> Experience:
    """Sample and judge answers to the step's prompts; raises EngineError on scores that are not numbers."""
    groups = actors.sampler(prompts, step)
    answers = [answer for group in groups for answer in group]
    examples = [Example(p, tuple(a.tokens for a in g)) for p, g in zip(prompts, groups, strict=True)]
    passes = []
    for part in actors.policy.passes(examples, config.tokens_per_pass, config.devices):
        written = [answer for i in part for answer in groups[i]]
        passes.append(_judged(actors, [examples[i] for i in part], written, config))
    shaped = shaped_rewards(torch.cat([p.scores for p in passes]), answers, _texts(actors, answers, config), config)
    metrics = _metrics(passes, answers, shaped, config)
    if config.algorithm == "ppo":
        metrics |= _weigh_tokens(passes, shaped.rewards, config)
    else:
        metrics |= _weigh_answers(passes, shaped.rewards, config)
    return Experience(passes, len(answers), sum(len(a.tokens) for a in answers), metrics)


def _judged(actors: Actors, examples: list[Example], answers: list[Answer], config: RLHFConfig) -> Pass:
    """Scores, reference and values of the answers of one pass."""
    batch = actors.policy.collate(examples)
    sampled = torch.tensor([x for a in answers for x in a.log_probs], device=batch.tokens.device)
    reference = token_log_probs(actors.reference, batch, temperature=config.temperature)
    values = None
    if actors.value_head is not None:
        _, values = log_probs_and_values(actors.policy, actors.value_head, batch, temperature=config.temperature)
    return Pass(
        batch=batch,
        tokens=sum(example.length for example in examples),
        sampled=sampled,
        kl=policy_gradients.k1_kl(sampled, reference),
        scores=actors.reward_model.scores(batch),
        values=values,
    )


def _texts(actors: Actors, answers: Sequence[Answer], config: RLHFConfig) -> list[str]:
    """What the rules read; nothing is decoded where there are none."""
    if not config.reward_rules:
        return [""] * len(answers)
    decode = actors.policy.tokenizer.decode
    return [decode(answer.tokens, skip_special_tokens=True) for answer in answers]


def _per_answer(values: Tensor, batch: Batch) -> Tensor:
    """Sums over the tokens of each answer [A] of values [N]."""
    return values.new_zeros(batch.answers).index_add(0, batch.answer_of, values)


def _weigh_answers(passes: list[Pass], shaped: Tensor, config: RLHFConfig) -> dict[str, Tensor]:
    """Advantages of whole answers against their group; sets them in the passes."""
    kl = torch.cat([_per_answer(p.kl, p.batch) for p in passes])
    rewards = (shaped - config.kl_beta * kl).view(-1, config.group_size)
    weigh = {
        "rloo": policy_gradients.rloo_advantages,
        "grpo": policy_gradients.grpo_advantages,
        "dr_grpo": policy_gradients.dr_grpo_advantages,
    }[config.algorithm]
    advantages = weigh(rewards).flatten().split([p.batch.answers for p in passes])
    for part, share in zip(passes, advantages, strict=True):
        part.advantages = share if config.algorithm == "rloo" else share[part.batch.answer_of]
    return {"rollout/zero_spread_share": (rewards.std(dim=1) < 1e-6).float().mean()}


def _weigh_tokens(passes: list[Pass], shaped: Tensor, config: RLHFConfig) -> dict[str, Tensor]:
    """Whitened advantages of single tokens by GAE, and the returns that the value head learns; sets both."""
    sizes = [len(p.kl) for p in passes]
    lengths = torch.cat([p.batch.lengths for p in passes])
    rewards = -config.kl_beta * torch.cat([p.kl for p in passes])
    rewards[lengths.cumsum(0) - 1] += shaped  # the score comes with an answer's last token
    values = torch.cat([p.values for p in passes if p.values is not None])
    raw = policy_gradients.generalised_advantages(
        rewards, values, lengths.tolist(), discount=config.ppo.discount, gae_lambda=config.ppo.gae_lambda
    )
    returns = raw + values
    whitened = policy_gradients.whitened(raw)
    for part, advantages, targets in zip(passes, whitened.split(sizes), returns.split(sizes), strict=True):
        part.advantages, part.returns = advantages, targets
    return {"rollout/explained_variance": policy_gradients.explained_variance(values, returns)}


def _metrics(passes: list[Pass], answers: Sequence[Answer], shaped: Shaped, config: RLHFConfig) -> dict[str, Tensor]:
    """Means over the answers; entropy per token, for which -log p of what was sampled is an unbiased estimate."""
    scores = torch.cat([p.scores for p in passes])
    kl = torch.cat([_per_answer(p.kl, p.batch) for p in passes])
    values = {
        "score": scores,
        "reward": shaped.rewards - config.kl_beta * kl,
        "kl": kl,
        "length": torch.cat([p.batch.lengths for p in passes]).float(),
        "truncated_share": scores.new_tensor([not a.finished for a in answers]),
        "clipped_share": (scores.abs() > config.reward_clip).float(),
        "entropy": -torch.cat([p.sampled for p in passes]),
        "term_kl": -config.kl_beta * kl,
        **{f"term_{name}": term for name, term in shaped.terms.items()},
    }
    return {f"rollout/{name}": value.mean() for name, value in values.items()}
