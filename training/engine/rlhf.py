"""RLHF: a reward model (reward.py), then REINFORCE with the leave-one-out baseline (RLOO, arXiv 2402.14740).

Left out, and why: no value network and no GAE (the group is the baseline), no ratio and no clipping of it (every
batch is sampled from the weights it updates, so the ratio is 1), no whitening of advantages (it would hide the price
of KL). The KL to the reference is the k1 estimate inside the reward, where its gradient is the right one.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from training.config import RLHFConfig
from training.engine import artifacts, loop, policy_gradients, reward
from training.engine.data import HELD_OUT_ROWS, Examples, Order, load_examples
from training.engine.diagnostics import look, pair_log_probs
from training.engine.errors import EngineError
from training.engine.logprobs import answer_log_probs
from training.engine.loop import Metrics, Part, Pending, Plan, State
from training.engine.packing import Example
from training.engine.policy import Policy, frozen_copy, load_policy, make_trainable
from training.engine.probes import make_probe
from training.engine.reward import RewardModel
from training.engine.rollouts import Answer, sample, show_samples
from training.engine.run import Run

Prompt = tuple[int, ...]


@dataclass(frozen=True)
class Actors:
    """The three models of a step: two frozen, one trained."""

    policy: Policy
    reference: Policy
    reward_model: RewardModel


def train(run: Run) -> None:
    """Train reward model and policy and write the artifact; raises EngineError or Stopped."""
    config = run.spec.config
    assert isinstance(config, RLHFConfig)
    policy = load_policy(run.spec.model_path, config)
    examples = load_examples(run, policy, paired=True)
    prompts = _usable_prompts(run, policy, examples, config)
    order = Order(len(prompts), config.batch_size, config.epochs, config.max_steps, config.seed)
    shared = config.tuning == "lora"
    reference, reward_body = frozen_copy(policy, share_weights=shared), frozen_copy(policy, share_weights=shared)
    make_trainable(policy, config)
    checkpoint = loop.find_checkpoint(run, "step")
    run.started(policy, examples, order.steps, checkpoint)

    spent = State()
    actors = Actors(policy, reference, reward.obtain(run, reward_body, reference, examples, spent))
    held_out = examples.held_out[:HELD_OUT_ROWS]
    held_out_reference = pair_log_probs(reference, held_out, config.tokens_per_pass)

    def evaluate() -> Metrics:
        return look(run, held_out, pair_log_probs(policy, held_out, config.tokens_per_pass), held_out_reference)

    plan = Plan(
        config=config,
        steps=order.steps,
        trained=dict(policy.trained()),
        parts=lambda step: _parts(actors, [prompts[i] for i in order.batch(step)], config),
        evaluate=evaluate,
        samples=lambda: show_samples(policy, examples.shown_prompts[: config.sample_count], config.max_new_tokens),
        probe=make_probe(
            run,
            policy,
            held_out,
            config.max_new_tokens,
            reference=lambda: nullcontext(reference),
            scores=actors.reward_model.scores,
        ),
    )
    state = State(seconds=spent.seconds, tokens=spent.tokens, last=spent.last)
    loop.optimise(run, plan, state, checkpoint)
    artifacts.finish(run, policy, state)


def _usable_prompts(run: Run, policy: Policy, examples: Examples, config: RLHFConfig) -> list[Prompt]:
    """Each training prompt once, if the model has positions for it and for the longest answer."""
    prompts = list(dict.fromkeys(pair.prompt for pair in examples.train))
    usable = [p for p in prompts if len(p) + config.max_new_tokens <= policy.context_length]
    if len(usable) < len(prompts):
        run.events.notice(
            f"Left out {len(prompts) - len(usable)} of {len(prompts)} prompts: with {config.max_new_tokens} new tokens "
            f"they exceed the model's {policy.context_length} positions.",
            level="warning",
        )
    if not usable:
        raise EngineError(
            f"No prompt leaves room for {config.max_new_tokens} new tokens within {policy.context_length} positions.",
            "Lower max_new_tokens.",
        )
    return usable


def _parts(actors: Actors, prompts: list[Prompt], config: RLHFConfig) -> list[Pending]:
    """Sample, judge and score the step's prompts, in as many passes as their longest possible tokens need."""
    longest = [Example(p, ((0,) * config.max_new_tokens,) * config.group_size) for p in prompts]

    def compute(part: list[int]) -> Part:
        chosen = [prompts[i] for i in part]
        groups = sample(
            actors.policy,
            chosen,
            count=config.group_size,
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature,
        )
        return _part(actors, chosen, groups, len(prompts) * config.group_size, config)

    return [partial(compute, part) for part in actors.policy.passes(longest, config.tokens_per_pass, config.devices)]


def _part(actors: Actors, prompts: list[Prompt], groups: list[list[Answer]], total: int, config: RLHFConfig) -> Part:
    """The policy-gradient loss of these groups, out of `total` answers of the step."""
    rows = [Example(p, tuple(a.tokens for a in group)) for p, group in zip(prompts, groups, strict=True)]
    batch = actors.policy.collate(rows)
    with torch.no_grad():
        scores = actors.reward_model.scores(batch)
        reference = answer_log_probs(actors.reference, batch, temperature=config.temperature)
    log_probs = answer_log_probs(actors.policy, batch, temperature=config.temperature)
    kl = policy_gradients.k1_kl(log_probs, reference)
    truncated = torch.tensor([not a.finished for group in groups for a in group], device=kl.device).float()
    rewards = shaped_reward(scores, truncated, kl, config).view(-1, config.group_size)
    loss = policy_gradients.reinforce(log_probs, policy_gradients.rloo_advantages(rewards).flatten()).sum() / total
    values = {
        "rollout/score": scores,
        "rollout/reward": rewards,
        "rollout/kl": kl,
        "rollout/length": batch.lengths.float(),
        "rollout/truncated_share": truncated,
        "rollout/clipped_share": (scores.abs() > config.reward_clip).float(),
        "rollout/zero_spread_share": (rewards.std(dim=1) < 1e-6).float() * config.group_size,
    }
    metrics = {name: value.sum() / total for name, value in values.items()}
    return Part(loss, metrics, sum(row.length for row in rows))


def shaped_reward(scores: Tensor, truncated: Tensor, kl: Tensor, config: RLHFConfig) -> Tensor:
    """Clipped score, less the penalty of an answer without an end, less the price of KL; all [answers]."""
    clipped = scores.clamp(-config.reward_clip, config.reward_clip)
    return clipped - config.missing_eos_penalty * truncated - config.kl_beta * kl
