"""Supervised fine-tuning: maximise the likelihood of the chosen answer's tokens, the prompt's being given.

The mean is over the tokens of a step, so that long answers weigh more than short ones, as is usual.
In pairs the chosen answer is taken as it is: a label compares two answers and does not say whether one is good.
"""

from __future__ import annotations

from functools import partial

import torch

from training.engine import artifacts, distributed, loop
from training.engine.data import HELD_OUT_ROWS, load_examples
from training.engine.logprobs import answer_log_probs
from training.engine.loop import Metrics, Part, Pending, Plan
from training.engine.packing import Example
from training.engine.policy import Policy, load_policy, make_trainable
from training.engine.probes import make_probe
from training.engine.rollouts import SAMPLE_TOKENS, show_samples
from training.engine.run import Run


def train(run: Run) -> None:
    """Train and write the artifact; raises EngineError or Stopped."""
    config = run.policy_config
    policy = load_policy(run.spec.model_path, config)
    examples = load_examples(run, policy, paired=False)
    make_trainable(policy, config)
    order = examples.order(config)
    held_out = examples.held_out[:HELD_OUT_ROWS]
    distributed.shard(policy)
    plan = Plan(
        config=config,
        steps=order.steps,
        trained=dict(policy.trained()),
        parts=lambda step: _parts(
            policy, [examples.train[i] for i in order.batch(step)], config.tokens_per_pass, config.devices
        ),
        evaluate=lambda: _held_out_metrics(policy, held_out, config.tokens_per_pass),
        samples=lambda: show_samples(policy, examples.shown_prompts[: config.sample_count], SAMPLE_TOKENS),
        probe=make_probe(run, policy, held_out, SAMPLE_TOKENS),
    )
    checkpoint = loop.find_checkpoint(run, plan.checkpoints)
    run.started(policy, examples, plan.steps, checkpoint)
    state = loop.State()
    loop.optimise(run, plan, state, checkpoint)
    artifacts.finish(run, policy, state)


def _parts(policy: Policy, rows: list[Example], tokens_per_pass: int, devices: int = 1) -> list[Pending]:
    """Negative log-likelihood per token, weighted by row: -sum_i w_i log pi(y_i|x_i) / sum_i w_i |y_i|."""
    total = sum(row.weight * len(row.answers[0]) for row in rows)

    def compute(part: list[int]) -> Part:
        chosen = [rows[i] for i in part]
        weights = torch.tensor([row.weight for row in chosen], device=policy.device)
        loss = -(weights * answer_log_probs(policy, policy.collate(chosen))).sum() / total
        return Part(loss, {}, sum(row.length for row in chosen))

    return [partial(compute, part) for part in policy.passes(rows, tokens_per_pass, devices)]


def _held_out_metrics(policy: Policy, rows: list[Example], tokens_per_pass: int) -> Metrics:
    """The loss on rows that are not trained on; nothing where there are none."""
    if not rows:
        return {}
    return {"held_out/loss": sum(float(part().loss) for part in _parts(policy, rows, tokens_per_pass))}
