"""The reward model: a scalar head on a copy of the base, trained on pairs by Bradley-Terry likelihood.

An answer is scored at its last real token, found from its length and not from padding, so it does not matter whether
the tokenizer pads with its end token. What is left behind, and the three scales of a score: reward_artifacts.py.
After training, shift and scale are taken from the base's own answers to training prompts and the temperature from
held-out pairs. Members of an ensemble are trained one after the other, each as a run with the next seed would be.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from training.config import RewardModelConfig, RLHFConfig, TrainingConfig
from training.engine import artifacts, calibration, loop, losses
from training.engine.checkpoints import Checkpoint
from training.engine.data import HELD_OUT_ROWS, Examples, load_examples
from training.engine.diagnostics import reward_look
from training.engine.errors import EngineError
from training.engine.loop import Metrics, Part, Pending, Plan, State
from training.engine.packing import Example
from training.engine.policy import Policy, frozen_copy, load_policy, make_trainable
from training.engine.reward_artifacts import (
    FACTS,
    RewardModel,
    describe_base,
    fresh_head,
    load_reward_model,
    read_facts,
    save,
)
from training.engine.reward_measures import Array, disagreement, held_out_measures, pair_loss, ranking, raw_pair_scores
from training.engine.rollouts import sample
from training.engine.run import Run, this_rank

__all__ = ["RewardModel", "load_reward_model", "obtain", "train"]

STAGE = "training the reward model"
FIRST = "reward"

SCALING_SAMPLES = 256
"""Answers of the base that fix mean 0 and standard deviation 1: the mean is then known to 0.06."""

CALIBRATION_PAIRS = 2048
"""Most held-out pairs that the temperature is fitted on."""


def train(run: Run) -> None:
    """Train every member and write the artifact; raises EngineError or Stopped."""
    config = run.spec.config
    assert isinstance(config, RewardModelConfig)
    base = load_policy(run.spec.model_path, config)
    examples = load_examples(run, base, paired=True)
    facts = {**describe_base(run.spec.model_path, base), "identity": run.identity}
    folder = run.folder / artifacts.ARTIFACT
    if this_rank() == 0:
        shutil.rmtree(folder, ignore_errors=True)
    state, gaps = State(), []
    for member in range(config.members):
        if member > 0 and config.tuning == "full":
            base = load_policy(run.spec.model_path, config)  # the weights that were loaded have been trained
        stage = _Stage.of_member(member, config)
        body = frozen_copy(base, share_weights=True) if config.tuning == "lora" else base
        model = _fresh_model(body, stage.config)
        checkpoint = loop.find_checkpoint(run, stage.name)
        if member == 0:
            run.started(model.body, examples, examples.order(config).steps, checkpoint)
            answers = _base_answers(run, base, examples, config, temperature=1.0)
        state = State(seconds=state.seconds, tokens=state.tokens, peak_memory=state.peak_memory, last=state.last)
        _fit(run, model, examples, stage, state, checkpoint)
        gaps.append(_calibrate(run, model, examples, answers, config))
        save(model, _member_folder(folder, member), facts)
    state.seconds += run.lap()
    _conclude(run, folder, state, gaps)


def obtain(run: Run, reference: Policy, examples: Examples, state: State) -> RewardModel:
    """RLHF's frozen reward model: the one that the run names; else the run's own, trained now if it is not there yet.

    Its body begins as a copy of `reference`, which stays as it is and whose answers fix the scale. `state` receives
    what was spent.
    """
    config = run.spec.config
    assert isinstance(config, RLHFConfig)
    if run.spec.reward_model_path:
        return load_reward_model(Path(run.spec.reward_model_path), reference, every_member=False)
    folder = run.folder / "reward_model"
    if _belongs(folder, run):
        for name, value in read_facts(folder)["state"].items():
            setattr(state, name, value)
        return load_reward_model(folder, reference)
    stage = _Stage(FIRST, STAGE, _reward_config(config))
    body = frozen_copy(reference, share_weights=config.tuning == "lora")
    model = _fresh_model(body, stage.config)
    facts = {**describe_base(run.spec.model_path, reference), "identity": run.identity}
    _fit(run, model, examples, stage, state, loop.find_checkpoint(run, stage.name))
    answers = _base_answers(run, reference, examples, stage.config, temperature=config.temperature)
    _calibrate(run, model, examples, answers, stage.config)
    state.seconds += run.lap()
    save(model, folder, {**facts, "state": vars(state)})
    model.freeze()
    return model


@dataclass(frozen=True, slots=True)
class _Stage:
    """The training of one member: `name` is that of its checkpoints and of its curves."""

    name: str
    title: str
    config: RewardModelConfig

    @classmethod
    def of_member(cls, member: int, config: RewardModelConfig) -> _Stage:
        """The first is the reward model that a run without an ensemble would train; the others have the next seeds."""
        if member == 0:
            return cls(FIRST, STAGE, config)
        title = f"{STAGE}, member {member + 1} of {config.members}"
        return cls(f"member_{member + 1}", title, config.model_copy(update={"seed": config.seed + member}))


def _reward_config(config: RLHFConfig) -> RewardModelConfig:
    """RLHF's settings as those of a reward run: its first stage differs in what `reward` says, and ends by epochs."""
    shared = config.model_dump(include=set(TrainingConfig.model_fields) | {"max_new_tokens"})
    return RewardModelConfig(**{**shared, **config.reward.model_dump(), "max_steps": 0})


def _fresh_model(body: Policy, config: RewardModelConfig) -> RewardModel:
    """An untrained reward model: a fresh adapter, or all weights, of `body`, which becomes its own."""
    make_trainable(body, config)
    lm_head = body.model.get_output_embeddings()
    if lm_head.weight is not body.model.get_input_embeddings().weight:
        lm_head.requires_grad_(False)  # nothing reads it
    return RewardModel(body, fresh_head(body, config.seed))


def _belongs(folder: Path, run: Run) -> bool:
    """Whether an earlier attempt of this run finished the reward model in this folder."""
    if not (folder / FACTS).is_file():
        return False
    identity: dict[str, str] = read_facts(folder)["identity"]
    return identity == run.identity


def _fit(
    run: Run, model: RewardModel, examples: Examples, stage: _Stage, state: State, checkpoint: Checkpoint | None
) -> None:
    config = stage.config
    order = examples.order(config)
    held_out = examples.held_out[:HELD_OUT_ROWS]

    def evaluate() -> Metrics:
        scores = raw_pair_scores(model, held_out, config.tokens_per_pass)
        values = held_out_measures(scores, held_out, config)
        if stage.name == FIRST:  # whose scores are the reward model's
            values |= reward_look(run, held_out, scores)
        return {f"{stage.name}_held_out/{name}": value for name, value in values.items()}

    plan = Plan(
        config=config,
        steps=order.steps,
        trained=model.trained(),
        parts=lambda step: _parts(model, [examples.train[i] for i in order.batch(step)], stage),
        evaluate=evaluate,
        samples=list,
        stage=stage.title,
        curves=stage.name,
        checkpoints=stage.name,
    )
    loop.optimise(run, plan, state, checkpoint)


def _parts(model: RewardModel, pairs: Sequence[Example], stage: _Stage) -> list[Pending]:
    """The weighted mean of the Bradley-Terry loss over the step's pairs, on raw scores."""
    config = stage.config
    total = sum(pair.weight for pair in pairs)

    def compute(part: list[int]) -> Part:
        rows = [pairs[i] for i in part]
        scores = model.raw_scores(model.body.collate(rows)).view(-1, 2)
        weights = torch.tensor([row.weight for row in rows], device=scores.device)
        loss = losses.weighted_mean(pair_loss(scores, rows, config), weights, total)
        metrics = {
            f"{stage.name}/{name}": losses.weighted_mean(values, weights, total)
            for name, values in ranking(scores.detach(), rows).items()
        }
        return Part(loss, metrics, sum(row.length for row in rows))

    return [partial(compute, part) for part in model.body.passes(pairs, config.tokens_per_pass, config.devices)]


def _base_answers(
    run: Run, base: Policy, examples: Examples, config: RewardModelConfig, *, temperature: float
) -> list[Example]:
    """An answer of the untrained base to each of some training prompts."""
    longest = base.context_length - config.max_new_tokens
    prompts = [p for p in dict.fromkeys(pair.prompt for pair in examples.train) if len(p) <= longest]
    if not prompts:
        raise EngineError(
            f"No prompt leaves room for {config.max_new_tokens} new tokens within {base.context_length} positions.",
            "Lower the longest answer (max_new_tokens).",
        )
    costs = [Example(p, ((0,) * config.max_new_tokens,)) for p in prompts[:SCALING_SAMPLES]]
    loop.seed_step(config.seed, 0)
    rows: list[Example] = []
    for part in run.watched("sampling answers of the base", base.passes(costs, config.tokens_per_pass)):
        asked = [prompts[i] for i in part]
        answers = sample(base, asked, count=1, max_new_tokens=config.max_new_tokens, temperature=temperature)
        rows += [Example(prompt, (answer.tokens,)) for prompt, [answer] in zip(asked, answers, strict=True)]
    return rows


@torch.no_grad()
def _calibrate(
    run: Run, model: RewardModel, examples: Examples, answers: list[Example], config: RewardModelConfig
) -> Array:
    """Set shift, scale and temperature; returns the calibrated gaps of held-out pairs [n]."""
    parts = model.body.passes(answers, config.tokens_per_pass)
    scores = torch.cat([model.raw_scores(model.body.collate([answers[i] for i in part])) for part in parts])
    model.shift = float(scores.mean())
    model.scale = max(float(scores.std(correction=0)), 1e-3)
    pairs = examples.held_out[:CALIBRATION_PAIRS]
    if not pairs:
        run.events.notice("No pairs are held out, so the reward model's probabilities are not calibrated.")
        return np.empty(0)
    chosen, rejected = raw_pair_scores(model, pairs, config.tokens_per_pass).double().numpy().T
    model.temperature = calibration.fit_temperature(chosen - rejected, [pair.label for pair in pairs])
    gaps: Array = (chosen - rejected) / model.scale
    return gaps


def _member_folder(folder: Path, member: int) -> Path:
    return folder / "members" / str(member + 1) if member else folder


def _conclude(run: Run, folder: Path, state: State, gaps: list[Array]) -> None:
    """Count the members in reward.json, report how far they disagree, write the result."""
    if len(gaps) > 1 and this_rank() == 0:
        facts = {**read_facts(folder), "members": len(gaps)}
        artifacts.write_atomically(folder / FACTS, json.dumps(facts, indent=1))
    if len(gaps) > 1 and len(gaps[0]):
        values = {f"reward_held_out/{name}": value for name, value in disagreement(gaps).items()}
        state.last.update(values)
        run.events.emit("metrics", state.step, values=values)
    artifacts.write_result(run, state)
