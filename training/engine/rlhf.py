"""RLHF: a reward model (reward.py), then a policy gradient on its scores.

experience.py  samples a step's answers and gives each (PPO: each token) an advantage
this file      moves the policy along them, `updates_per_batch` times

| algorithm | advantage                      | ratio of              | loss is a mean over                     |
|-----------|--------------------------------|-----------------------|-----------------------------------------|
| rloo      | against the group's others     | answers               | answers (arXiv 2402.14740)              |
| grpo      | against the group, over spread | tokens                | answers of their means (2402.03300)     |
| dr_grpo   | against the group              | tokens                | answers, over max_new_tokens (2503.20783) |
| ppo       | GAE from a value head, whitened | tokens               | tokens (1707.06347)                     |

The KL to the reference is the k1 estimate inside the reward for all of them, where its gradient is the right one.

Left out, and why: GRPO's own KL term (k3 in the loss is a biased first-order approximation, arXiv 2510.01555); its
variants DAPO and GSPO (further lengths to divide by, no new idea for sequence-level scores); whitening of group
advantages (it would hide the price of KL); minibatches within a batch (every update sees all of its answers); a
critic of its own for PPO (value_head.py).
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor

from training.config import RLHFConfig
from training.engine import artifacts, distributed, loop, policy_gradients, reward
from training.engine.data import HELD_OUT_ROWS, Examples, Order, load_examples
from training.engine.diagnostics import look, pair_log_probs
from training.engine.errors import EngineError
from training.engine.experience import Actors, Experience, Pass, Prompt, Sampler, collect
from training.engine.logprobs import token_log_probs
from training.engine.loop import Metrics, Part, Pending, Plan, State
from training.engine.policy import Policy, frozen_copy, load_policy, make_trainable
from training.engine.probes import make_probe
from training.engine.rollouts import sample_groups, show_samples
from training.engine.run import Run
from training.engine.value_head import fresh_value_head, log_probs_and_values, trained_by_name


def train(run: Run) -> None:
    """Train reward model and policy and write the artifact; raises EngineError or Stopped."""
    config = run.spec.config
    assert isinstance(config, RLHFConfig)
    policy = load_policy(run.spec.model_path, config)
    examples = load_examples(run, policy, paired=True)
    prompts = _usable_prompts(run, policy, examples, config)
    order = Order(len(prompts), config.batch_size, config.epochs, config.max_steps, config.seed)
    reference = frozen_copy(policy, share_weights=config.tuning == "lora")
    make_trainable(policy, config)
    checkpoint = loop.find_checkpoint(run, "step")
    run.started(policy, examples, order.steps, checkpoint)

    distributed.shard(policy)
    spent = State()
    actors = Actors(
        policy,
        reference,
        reward.obtain(run, reference, examples, spent),
        sampler=_sampler(run, policy, config, max(map(len, prompts))),
        value_head=fresh_value_head(policy) if config.algorithm == "ppo" else None,
    )
    held_out = examples.held_out[:HELD_OUT_ROWS]
    held_out_reference = pair_log_probs(reference, held_out, config.tokens_per_pass)

    def evaluate() -> Metrics:
        return look(run, held_out, pair_log_probs(policy, held_out, config.tokens_per_pass), held_out_reference)

    batch: dict[int, Experience] = {}  # of the current step, kept for its further updates

    def parts(step: int) -> list[Pending]:
        if step not in batch:
            batch.clear()
            batch[step] = collect(actors, [prompts[i] for i in order.batch(step)], step, config)
        return _parts(actors, batch[step], config)

    plan = Plan(
        config=config,
        steps=order.steps,
        trained=_trained(actors),
        parts=parts,
        updates=config.updates_per_batch,
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
    state = State(seconds=spent.seconds, tokens=spent.tokens, peak_memory=spent.peak_memory, last=spent.last)
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
            "Lower the longest answer (max_new_tokens).",
        )
    return usable


def _sampler(run: Run, policy: Policy, config: RLHFConfig, longest_prompt: int) -> Sampler:
    """What writes the answers: the trainer's own loop, which needs no start, or vLLM."""
    if config.sampler == "transformers":
        return lambda prompts, step: sample_groups(policy, prompts, config)
    from training.engine.vllm_rollouts import VllmSampler  # takes seconds to import

    return VllmSampler(run, policy, config, longest_prompt)


def _trained(actors: Actors) -> dict[str, Tensor]:
    head = {} if actors.value_head is None else trained_by_name(actors.value_head)
    return {**dict(actors.policy.trained()), **head}


def _parts(actors: Actors, experience: Experience, config: RLHFConfig) -> list[Pending]:
    """One update on a batch of answers; its metrics travel with the first part."""
    metrics = [experience.metrics, *[{}] * (len(experience.passes) - 1)]
    return [
        partial(_part, actors, one, experience, values, config)
        for one, values in zip(experience.passes, metrics, strict=True)
    ]


def _part(actors: Actors, one: Pass, experience: Experience, metrics: dict[str, Tensor], config: RLHFConfig) -> Part:
    """The loss of one pass, as a part of the mean over the step's answers."""
    log_probs, values = _forward(actors, one, config)
    if one.before is None:
        one.before = log_probs.detach()
    gap = one.before - one.sampled
    weights = torch.ones_like(gap)
    if config.sampler == "vllm" or config.precision == "bf16":  # else nothing but rounding is between the two
        weights = policy_gradients.truncated_weights(one.before, one.sampled, cap=config.ratio_cap)
    log_ratio, loss = _surrogate(log_probs, one, weights, experience, config)
    if values is not None:
        loss = loss + config.ppo.value_weight * _value_loss(values, one, config).sum() / experience.tokens
    clipped = policy_gradients.clipped(log_ratio, one.advantages, clip_range=config.clip_range)
    units = experience.answers if config.algorithm == "rloo" else experience.tokens
    shares = {
        "rollout/clip_share": clipped.sum() / units,
        "rollout/sampler_gap": gap.abs().sum() / experience.tokens,
    }
    return Part(loss, {**metrics, **shares}, one.tokens, {"rollout/ratio_max": log_ratio.max().exp()})


def _forward(actors: Actors, one: Pass, config: RLHFConfig) -> tuple[Tensor, Tensor | None]:
    """The trainer's log-probabilities [N] and, for PPO, values [N], with gradients."""
    if actors.value_head is None:
        return token_log_probs(actors.policy, one.batch, temperature=config.temperature), None
    return log_probs_and_values(actors.policy, actors.value_head, one.batch, temperature=config.temperature)


def _surrogate(
    log_probs: Tensor, one: Pass, weights: Tensor, experience: Experience, config: RLHFConfig
) -> tuple[Tensor, Tensor]:
    """Log-ratios to the weights before the first update, detached, per answer (RLOO) or token; and the scalar loss.

    `weights` [N] correct for the sampler: in RLOO, whose ratio is that of whole answers, they scale what each token
    contributes to it, which is the truncated gradient of single tokens at the first update.
    """
    assert one.before is not None
    moved = log_probs - one.before
    if config.algorithm == "rloo":
        moved, log_probs = _sum(weights * moved, one), _sum(weights * log_probs, one)
        weights = torch.ones_like(one.advantages)
    if config.updates_per_batch == 1:
        loss = policy_gradients.reinforce(log_probs, one.advantages)
    else:
        loss = policy_gradients.clipped_surrogate(moved, one.advantages, clip_range=config.clip_range)
    return moved.detach(), (weights * loss * _shares(one, experience, config)).sum()


def _sum(values: Tensor, one: Pass) -> Tensor:
    return values.new_zeros(one.batch.answers).index_add(0, one.batch.answer_of, values)


def _shares(one: Pass, experience: Experience, config: RLHFConfig) -> Tensor:
    """What each answer (RLOO) or token counts in the step's loss."""
    if config.algorithm == "grpo":
        return (1 / (one.batch.lengths * experience.answers))[one.batch.answer_of]
    total = {
        "rloo": experience.answers,
        "dr_grpo": experience.answers * config.max_new_tokens,
        "ppo": experience.tokens,
    }[config.algorithm]
    return one.kl.new_tensor(1 / total)


def _value_loss(values: Tensor, one: Pass, config: RLHFConfig) -> Tensor:
    assert one.values is not None
    assert one.returns is not None
    return policy_gradients.value_loss(values, one.values, one.returns, value_clip=config.ppo.value_clip)
