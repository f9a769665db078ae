"""What DPO and constrained CPO share: pairs, cached reference values and diagnostics. They differ in one function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from training.config import TrainingConfig
from training.engine import artifacts, loop
from training.engine.data import HELD_OUT_ROWS, Examples, load_examples
from training.engine.diagnostics import ROUNDING, lengths_of, look, margins, pair_log_probs, undesirable
from training.engine.logprobs import answer_log_probs
from training.engine.loop import Metrics, Part, Pending, Plan
from training.engine.losses import weighted_mean
from training.engine.policy import Policy, load_policy, make_trainable
from training.engine.probes import make_probe
from training.engine.reference import reference_log_probs
from training.engine.rollouts import SAMPLE_TOKENS, show_samples
from training.engine.run import Run

PairLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(policy log-probs [n, 2], reference log-probs [n, 2], answer lengths [n, 2]) -> loss [n]; chosen first."""


def train_on_pairs(run: Run, pair_loss: PairLoss) -> None:
    """Train with a loss on pairs and write the artifact; raises EngineError or Stopped."""
    config = run.training
    policy = load_policy(run.spec.model_path, config)
    examples = load_examples(run, policy, paired=True)
    order = examples.order(config)
    checkpoint = loop.find_checkpoint(run, "step")
    make_trainable(policy, config)
    run.started(policy, examples, order.steps, checkpoint)
    examples.held_out = examples.held_out[:HELD_OUT_ROWS]
    reference, held_out_reference = reference_log_probs(run, policy, examples)

    def evaluate() -> Metrics:
        log_probs = pair_log_probs(policy, examples.held_out, config.tokens_per_pass)
        losses = pair_loss(log_probs, held_out_reference, lengths_of(examples.held_out))
        loss = {"held_out/loss": float(losses.mean())} if len(losses) else {}
        return {**loss, **look(run, examples.held_out, log_probs, held_out_reference)}

    plan = Plan(
        config=config,
        steps=order.steps,
        trained=dict(policy.trained()),
        parts=lambda step: _parts(policy, examples, reference, order.batch(step), pair_loss, config),
        evaluate=evaluate,
        samples=lambda: show_samples(policy, examples.shown_prompts[: config.sample_count], SAMPLE_TOKENS),
        probe=make_probe(run, policy, examples.held_out, SAMPLE_TOKENS),
    )
    state = loop.State()
    loop.optimise(run, plan, state, checkpoint)
    artifacts.finish(run, policy, state)


def _parts(
    policy: Policy, examples: Examples, reference: Tensor, rows: list[int], pair_loss: PairLoss, config: TrainingConfig
) -> list[Pending]:
    """The weighted mean of the loss over the step's pairs, in as many forward passes as their tokens need."""
    pairs = [examples.train[row] for row in rows]
    total = sum(pair.weight for pair in pairs)

    def compute(part: list[int]) -> Part:
        batch = policy.collate([pairs[i] for i in part])
        log_probs = answer_log_probs(policy, batch).view(-1, 2)
        reference_part = reference[[rows[i] for i in part]].to(policy.device)
        weights = torch.tensor([pairs[i].weight for i in part], device=policy.device)
        losses = pair_loss(log_probs, reference_part, batch.lengths.view(-1, 2))
        metrics = _metrics(log_probs.detach(), reference_part, weights / total)
        return Part(weighted_mean(losses, weights, total), metrics, sum(pairs[i].length for i in part))

    return [partial(compute, part) for part in policy.passes(pairs, config.tokens_per_pass, config.devices)]


def _metrics(log_probs: Tensor, reference: Tensor, shares: Tensor) -> dict[str, Tensor]:
    delta, delta_ref = margins(log_probs), margins(reference)
    return {
        "train/ranking_accuracy": torch.dot((delta > 0).float(), shares),
        "train/implicit_reward_accuracy": torch.dot((delta > delta_ref + ROUNDING).float(), shares),
        "train/margin_gain": torch.dot(delta - delta_ref, shares),
        "train/undesirable_share": torch.dot(undesirable(delta, delta_ref).float(), shares),
    }
