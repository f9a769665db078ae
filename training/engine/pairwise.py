"""What the methods on pairs share: data, reference values, diagnostics and the loop. They differ in one function.

A method is a `PairLoss`. What is known before training starts, the reference's log-probabilities and a reward model's
gaps, is computed once for all pairs that the run will see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from training.config import TrainingConfig
from training.engine import artifacts, distributed, loop
from training.engine.data import HELD_OUT_ROWS, load_examples
from training.engine.diagnostics import ROUNDING, look, margins, pair_log_probs, undesirable
from training.engine.logprobs import answer_log_probs
from training.engine.loop import Metrics, Part, Pending, Plan
from training.engine.losses import weighted_mean
from training.engine.packing import Example
from training.engine.policy import Policy, load_policy, make_trainable
from training.engine.probes import make_probe
from training.engine.reference import reference_log_probs
from training.engine.rollouts import SAMPLE_TOKENS, show_samples
from training.engine.run import Run


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a loss may know of n pairs; where there are two columns, the chosen answer's comes first."""

    log_probs: Tensor  # [n, 2] of the policy, summed over each answer's tokens, differentiable
    reference: Tensor  # [n, 2] of the reference; NaN where the method has none
    lengths: Tensor  # [n, 2] tokens
    labels: Tensor  # [n] P(chosen is the better answer)
    reward_gaps: Tensor  # [n] log-odds that chosen wins under the run's reward model; 0 without one

    def per_token(self) -> Pairs:
        """The same pairs with means over tokens in place of sums."""
        return replace(self, log_probs=self.log_probs / self.lengths, reference=self.reference / self.lengths)

    @property
    def margins(self) -> Tensor:
        """[n] of the policy."""
        return margins(self.log_probs)

    @property
    def reference_margins(self) -> Tensor:
        """[n]"""
        return margins(self.reference)


PairLoss = Callable[[Pairs], Tensor]
"""Pairs -> loss [n]."""

RewardGaps = Callable[[Run, Sequence[Example]], Tensor]
"""The log-odds that the chosen answer of each example wins [examples]."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of every pair before training."""

    place: dict[int, int]  # of a pair in the tensors below, by its row in the sealed file
    reference: Tensor  # [pairs, 2]
    reward_gaps: Tensor  # [pairs]
    relative: bool  # whether training pairs have reference values; held-out ones always do

    def of(self, examples: Sequence[Example], log_probs: Tensor) -> Pairs:
        """The examples with the policy's log-probabilities [n, 2], on the device of these."""
        places = [self.place[example.row] for example in examples]
        lengths = torch.tensor([[len(answer) for answer in example.answers] for example in examples])
        labels = torch.tensor([example.label for example in examples])
        columns = (self.reference[places], lengths.view(-1, 2), labels, self.reward_gaps[places])
        return Pairs(log_probs, *(column.to(log_probs.device) for column in columns))


def train_on_pairs(run: Run, pair_loss: PairLoss, reward_gaps: RewardGaps | None = None) -> None:
    """Train with a loss on pairs and write the artifact; raises EngineError or Stopped."""
    config = run.policy_config
    policy = load_policy(run.spec.model_path, config)
    examples = load_examples(run, policy, paired=True)
    order = examples.order(config)
    checkpoint = loop.find_checkpoint(run, "step")
    make_trainable(policy, config)
    run.started(policy, examples, order.steps, checkpoint)
    held_out = examples.held_out[:HELD_OUT_ROWS]
    visited = [examples.train[row] for row in order.visited()]
    known = _known(run, policy, visited, held_out, reward_gaps)

    distributed.shard(policy)
    plan = Plan(
        config=config,
        steps=order.steps,
        trained=dict(policy.trained()),
        parts=lambda step: _parts(policy, [examples.train[i] for i in order.batch(step)], known, pair_loss, config),
        evaluate=lambda: _held_out_metrics(run, policy, held_out, known, pair_loss),
        samples=lambda: show_samples(policy, examples.shown_prompts[: config.sample_count], SAMPLE_TOKENS),
        probe=make_probe(run, policy, held_out, SAMPLE_TOKENS),
    )
    state = loop.State()
    loop.optimise(run, plan, state, checkpoint)
    artifacts.finish(run, policy, state)


def _known(
    run: Run, policy: Policy, visited: list[Example], held_out: list[Example], reward_gaps: RewardGaps | None
) -> Known:
    """Reference values also of held-out pairs where the loss needs none: they are few, and the diagnostics compare."""
    pairs = [*visited, *held_out]
    relative = run.spec.config.method.has_reference
    reference = reference_log_probs(run, policy, pairs if relative else held_out)
    unknown = torch.full((len(pairs) - len(reference), 2), torch.nan)
    gaps = reward_gaps(run, pairs) if reward_gaps else torch.zeros(len(pairs))
    return Known({pair.row: i for i, pair in enumerate(pairs)}, torch.cat([unknown, reference]), gaps, relative)


def _parts(
    policy: Policy, rows: list[Example], known: Known, pair_loss: PairLoss, config: TrainingConfig
) -> list[Pending]:
    """The weighted mean of the loss over the step's pairs, in as many forward passes as their tokens need."""
    total = sum(row.weight for row in rows)

    def compute(part: list[int]) -> Part:
        examples = [rows[i] for i in part]
        log_probs = answer_log_probs(policy, policy.collate(examples)).view(-1, 2)
        pairs = known.of(examples, log_probs)
        weights = torch.tensor([example.weight for example in examples], device=policy.device)
        metrics = _metrics(pairs, weights / total, relative=known.relative)
        tokens = sum(example.length for example in examples)
        return Part(weighted_mean(pair_loss(pairs), weights, total), metrics, tokens)

    return [partial(compute, part) for part in policy.passes(rows, config.tokens_per_pass, config.devices)]


def _metrics(pairs: Pairs, shares: Tensor, *, relative: bool) -> dict[str, Tensor]:
    """Of the step's pairs, before its update; `relative` includes what compares them with the reference."""
    delta, delta_ref = pairs.margins.detach(), pairs.reference_margins
    metrics = {"train/ranking_accuracy": torch.dot((delta > 0).float(), shares)}
    if not relative:
        return metrics
    return metrics | {
        "train/implicit_reward_accuracy": torch.dot((delta > delta_ref + ROUNDING).float(), shares),
        "train/margin_gain": torch.dot(delta - delta_ref, shares),
        "train/undesirable_share": torch.dot(undesirable(delta, delta_ref).float(), shares),
    }


def _held_out_metrics(run: Run, policy: Policy, held_out: list[Example], known: Known, pair_loss: PairLoss) -> Metrics:
    """Loss and diagnostics on pairs that are not trained on; nothing where there are none."""
    if not held_out:
        return {}
    pairs = known.of(held_out, pair_log_probs(policy, held_out, run.training.tokens_per_pass))
    weights = torch.tensor([example.weight for example in held_out])
    loss = weighted_mean(pair_loss(pairs), weights, float(weights.sum()))
    return {"held_out/loss": float(loss), **look(run, held_out, pairs.log_probs, pairs.reference)}
