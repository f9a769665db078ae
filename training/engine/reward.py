"""The reward model: a scalar head on a copy of the base, trained on pairs by Bradley-Terry likelihood.

An answer is scored at its last real token, found from its length and not from padding, so it does not matter whether
the tokenizer pads with its end token. Rewards are shifted and scaled so that the base policy's own samples have
mean 0 and standard deviation 1; prices of KL and penalties are thereby in the same unit for every run.

reward_model/ holds weights.safetensors (what was trained, by name) and reward.json, written last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.config import RLHFConfig
from training.engine import loop, losses
from training.engine.artifacts import write_atomically
from training.engine.data import HELD_OUT_ROWS, Examples
from training.engine.loop import Metrics, Part, Pending, Plan, State
from training.engine.packing import Batch, Example
from training.engine.policy import Policy, make_trainable
from training.engine.rollouts import sample
from training.engine.run import Run

STAGE = "training the reward model"
SCALING_SAMPLES = 256
"""Answers of the base that fix mean 0 and standard deviation 1: the mean is then known to 0.06."""


@dataclass
class RewardModel:
    """`body` is a policy of its own; its LM head is not used."""

    body: Policy
    head: nn.Linear
    shift: float = 0.0
    scale: float = 1.0

    def scores(self, batch: Batch) -> Tensor:
        """Reward of every answer of the batch [answers], fp32, in standard deviations above the base's mean."""
        states = self.body.hidden_states(batch).index_select(0, batch.ends).float()
        raw: Tensor = self.head(states)
        return (raw.squeeze(1) - self.shift) / self.scale

    def trained(self) -> dict[str, Tensor]:
        return {**dict(self.body.trained()), "score.weight": self.head.weight}

    def freeze(self) -> None:
        for parameter in self.trained().values():
            parameter.requires_grad_(False)


def obtain(run: Run, base: Policy, reference: Policy, examples: Examples, state: State) -> RewardModel:
    """The run's reward model, from reward_model/ where an earlier attempt finished it, else trained now.

    `base` becomes its body; `reference` gives the samples that fix the scale. `state` receives what was spent.
    """
    config = run.spec.config
    assert isinstance(config, RLHFConfig)
    make_trainable(base, config)
    model = RewardModel(base, _fresh_head(base, config.seed))
    if not _load(model, state, run):
        _train(run, model, examples, state)
        _fix_scale(run, model, reference, examples)
        state.seconds += run.lap()
        _save(model, state, run)
    model.freeze()
    return model


def _fresh_head(body: Policy, seed: int) -> nn.Linear:
    """Weights from N(0, 1/(d+1)), so that first scores have about unit variance."""
    width: int = body.model.get_output_embeddings().weight.shape[-1]
    head = nn.Linear(width, 1, bias=False)
    nn.init.normal_(head.weight, std=(width + 1) ** -0.5, generator=torch.Generator().manual_seed(seed))
    return head.to(body.device)


def _train(run: Run, model: RewardModel, examples: Examples, state: State) -> None:
    config = run.spec.config
    assert isinstance(config, RLHFConfig)
    stage = config.reward
    schedule = config.model_copy(
        update={
            "learning_rate": stage.learning_rate,
            "epochs": stage.epochs,
            "batch_size": stage.batch_size,
            "max_steps": 0,
        }
    )
    order = examples.order(schedule)
    held_out = examples.held_out[:HELD_OUT_ROWS]

    def parts(step: int) -> list[Pending]:
        pairs = [examples.train[i] for i in order.batch(step)]
        return _parts(model, pairs, config.tokens_per_pass, stage.centring, "reward", config.devices)

    def evaluate() -> Metrics:
        return _held_out_metrics(model, held_out, config.tokens_per_pass, stage.centring)

    plan = Plan(
        config=schedule,
        steps=order.steps,
        trained=model.trained(),
        parts=parts,
        evaluate=evaluate,
        samples=list,
        stage=STAGE,
        curves="reward",
        checkpoints="reward",
    )
    loop.optimise(run, plan, state, loop.find_checkpoint(run, plan.checkpoints))


def _parts(
    model: RewardModel, pairs: list[Example], tokens_per_pass: int, centring: float, curves: str, devices: int = 1
) -> list[Pending]:
    """The weighted mean of the Bradley-Terry loss over the step's pairs."""
    total = sum(pair.weight for pair in pairs)

    def compute(part: list[int]) -> Part:
        rows = [pairs[i] for i in part]
        weights = torch.tensor([row.weight for row in rows], device=model.body.device)
        chosen, rejected = model.scores(model.body.collate(rows)).view(-1, 2).unbind(1)
        loss = losses.weighted_mean(losses.bradley_terry(chosen, rejected, centring=centring), weights, total)
        right = losses.weighted_mean((chosen > rejected).float(), weights, total)
        gap = losses.weighted_mean(chosen.detach() - rejected.detach(), weights, total)
        tokens = sum(row.length for row in rows)
        return Part(loss, {f"{curves}/accuracy": right, f"{curves}/margin": gap}, tokens)

    return [partial(compute, part) for part in model.body.passes(pairs, tokens_per_pass, devices)]


def _held_out_metrics(model: RewardModel, pairs: list[Example], tokens_per_pass: int, centring: float) -> Metrics:
    if not pairs:
        return {}
    values = {"reward_held_out/loss": 0.0, "reward_held_out/accuracy": 0.0, "reward_held_out/margin": 0.0}
    for pending in _parts(model, pairs, tokens_per_pass, centring, "reward_held_out"):
        part = pending()
        for name, value in {"reward_held_out/loss": part.loss, **part.metrics}.items():
            values[name] += float(value)
    return values


@torch.no_grad()
def _fix_scale(run: Run, model: RewardModel, reference: Policy, examples: Examples) -> None:
    """Choose shift and scale so that the reference's answers to training prompts have mean 0 and deviation 1."""
    config = run.spec.config
    assert isinstance(config, RLHFConfig)
    loop.seed_step(config.seed, 0)
    prompts = list(dict.fromkeys(pair.prompt for pair in examples.train))[:SCALING_SAMPLES]
    prompts = [p for p in prompts if len(p) + config.max_new_tokens <= reference.context_length] or prompts[:1]
    costs = [Example(p, ((0,) * config.max_new_tokens,)) for p in prompts]
    scores = []
    for part in run.watched("scaling the reward", reference.passes(costs, config.tokens_per_pass)):
        chosen = [prompts[i] for i in part]
        answers = sample(
            reference, chosen, count=1, max_new_tokens=config.max_new_tokens, temperature=config.temperature
        )
        rows = [Example(p, (answer.tokens,)) for p, [answer] in zip(chosen, answers, strict=True)]
        scores.append(model.scores(model.body.collate(rows)))
    values = torch.cat(scores)
    model.shift = float(values.mean())
    model.scale = max(float(values.std(correction=0)), 1e-3)


def _save(model: RewardModel, state: State, run: Run) -> None:
    folder = run.folder / "reward_model"
    folder.mkdir(exist_ok=True)
    save_file({name: p.detach().cpu().contiguous() for name, p in model.trained().items()}, folder / WEIGHTS)
    facts: dict[str, Any] = {
        "base": run.spec.model_path,
        "identity": run.identity,
        "shift": model.shift,
        "scale": model.scale,
        "state": vars(state),
    }
    write_atomically(folder / FACTS, json.dumps(facts, indent=1))


WEIGHTS, FACTS = "weights.safetensors", "reward.json"


def _load(model: RewardModel, state: State, run: Run) -> bool:
    """Take over what an earlier attempt of the same run trained; False when there is nothing whole."""
    folder: Path = run.folder / "reward_model"
    if not (folder / FACTS).is_file():
        return False
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    if facts["identity"] != run.identity:
        return False
    weights = load_file(folder / WEIGHTS)
    with torch.no_grad():
        for name, parameter in model.trained().items():
            parameter.copy_(weights[name])
    model.shift, model.scale = facts["shift"], facts["scale"]
    for name, value in facts["state"].items():
        setattr(state, name, value)
    return True
