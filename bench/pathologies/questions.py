"""Four experiments on one laboratory; each returns plain figures, and the alarms that the run's own page would show."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from bench.pathologies.laboratory import Laboratory, Trained
from training.config import RewardConfig, RewardModelConfig, RLHFConfig, TrainingConfig
from training.diagnosis import alarms
from training.world import presets
from training.world.gold import judge
from training.world.pairs import PairRow
from training.world.phrasing import read_question

FLIPPED = 0.3
LONGER_WINS = 0.9
LATEST = 20
"""Points at the end of a training curve that are averaged."""
SHOWN = 64
"""Held-out prompts whose likeliest answer is written down at every checkpoint, for the course of the true reward."""


@dataclass
class Findings:
    """Figures by name; true rewards by prompt, so that differences can be paired; alarm slugs by run."""

    figures: dict[str, float] = field(default_factory=dict)
    rewards: dict[str, list[float]] = field(default_factory=dict)
    alarms: dict[str, list[str]] = field(default_factory=dict)
    courses: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)


def undesirable_region(lab: Laboratory, found: Findings) -> None:
    """(a) A flawed reference: how many held-out pairs does each method leave in delta_ref < delta_theta < 0?

    Every label is right and beta is firm, so that what is left in the region is the reference's doing: DPO is content
    once a margin is a few times 1 / beta above the reference's, however low that is. With answers of ten tokens a
    beta of 5 stands to the margins (a few nats) as the usual 0.1 does to those of answers of hundreds.
    """
    data = lab.pairs(error_rate=0.0)
    found.rewards["base"] = lab.true_rewards("base", None)
    firm = {"beta": 5.0}
    for name, preset in (("dpo", presets.DPO), ("cpo", presets.CPO)):
        config = preset.model_copy(update=firm)
        run = lab.run(name, _seeded(config, lab), data)
        _pair_figures(name, run, found)
        found.rewards[name] = lab.true_rewards(name, run)
        found.figures[f"{name}/train_undesirable_share"] = mean(run.series["train/undesirable_share"][1][-LATEST:])
        found.alarms[name] = _alarms(config, run)


def flipped_labels(lab: Laboratory, found: Findings) -> None:
    """(b) Three labels in ten are wrong: does anything say so, and stay silent on data with one in ten or none?"""
    for name, rate in (("dpo-clean", 0.0), ("dpo-flipped", FLIPPED)):
        run = lab.run(name, _seeded(presets.DPO, lab), lab.pairs(error_rate=rate))
        _pair_figures(name, run, found)
        found.rewards[name] = lab.true_rewards(name, run)
        found.alarms[name] = _alarms(presets.DPO, run)


def length_bias(lab: Laboratory, found: Findings) -> None:
    """(c) Nine pairs in ten prefer the longer answer, right or wrong: is the reward model's inspection page alarmed?"""
    rng = random.Random(lab.seed)
    config = RewardModelConfig(
        **{name: getattr(presets.DPO, name) for name in TrainingConfig.model_fields if name != "epochs"}
    ).model_copy(update={"learning_rate": presets.RLHF.reward.learning_rate})
    for name, turned in (("reward", _never), ("reward-longer", prefers_longer(rng))):
        run = lab.run(name, _seeded(config, lab), lab.pairs(error_rate=0.0, turned=turned))
        found.alarms[name] = _alarms(config, run)
        for measure in ("accuracy", "length_correlation"):
            found.figures[f"{name}/{measure}"] = run.last(f"reward_held_out/{measure}")


def over_optimisation(lab: Laboratory, found: Findings) -> None:
    """(d) RLHF pushed hard, without and with the price of KL: the learned reward against the true one."""
    data = lab.pairs(error_rate=0.1)
    for name, kl_beta in (("rlhf-no-kl", 0.0), ("rlhf-kl", presets.RLHF.kl_beta)):
        config = presets.RLHF.model_copy(
            update={
                "kl_beta": kl_beta,
                "epochs": 4.0,
                "learning_rate": 1e-3,
                "sample_count": SHOWN,
                "reward": RewardConfig(learning_rate=2e-3, epochs=1.0, batch_size=32),
            }
        )
        run = lab.run(name, _seeded(config, lab), data)
        found.rewards[name] = lab.true_rewards(name, run)
        found.alarms[name] = _alarms(config, run)
        found.courses[name] = _course(lab, run)
        found.figures[f"{name}/kl"] = run.last("rollout/kl")


QUESTIONS: dict[str, Callable[[Laboratory, Findings], None]] = {
    "region": undesirable_region,
    "flipped": flipped_labels,
    "length": length_bias,
    "optimisation": over_optimisation,
}


def _seeded(config: Any, lab: Laboratory) -> Any:
    return config.model_copy(update={"seed": lab.seed})


def _pair_figures(name: str, run: Trained, found: Findings) -> None:
    for measure in ("undesirable_share", "pessimistic_share", "ranking_accuracy"):
        found.figures[f"{name}/{measure}"] = run.last(f"held_out/{measure}")


def _alarms(config: TrainingConfig | RLHFConfig, run: Trained) -> list[str]:
    """Names of the alarms that would be open on the run's page."""
    return [alarm.name for alarm in alarms(run.series, config)]


def _never(row: PairRow) -> bool:
    return False


def prefers_longer(rng: random.Random) -> Callable[[PairRow], bool]:
    """Turn a pair round so that the longer answer is the chosen one, nine times in ten; equal lengths by chance."""

    def turned(row: PairRow) -> bool:
        gap = len(row["chosen"]) - len(row["rejected"])
        longer = gap > 0 if gap else rng.random() < 0.5
        return longer != (rng.random() < LONGER_WINS)

    return turned


def _course(lab: Laboratory, run: Trained) -> list[tuple[int, float, float]]:
    """At every checkpoint: step, learned reward of the rollouts nearest to it, true reward of the shown answers."""
    steps, scores = run.series["rollout/score"]
    course = []
    for event in run.events:
        if event["kind"] != "samples" or "step" not in event:
            continue
        true = [
            judge(lab.world, question, sample["text"]).reward
            for sample in event["samples"]
            if (question := read_question(sample["prompt"][-1]["content"])) is not None
        ]
        nearest = min(range(len(steps)), key=lambda i: abs(steps[i] - event["step"]))
        course.append((event["step"], scores[nearest], mean(true)))
    return course


def as_json(found: Findings) -> dict[str, Any]:
    """What the report keeps of one seed."""
    kept: dict[str, Any] = json.loads(json.dumps(vars(found)))
    kept["rewards"] = {name: mean(values) for name, values in found.rewards.items()}
    return kept
