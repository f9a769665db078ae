"""Rules on the policy's own answers, which show what serving it would be like."""

from __future__ import annotations

from training.config import DPOConfig, Method, PairConfig, RLHFConfig, RunConfig, TrainingConfig
from training.diagnosis import thresholds as t
from training.diagnosis.alarms import Alarm, Remedy, Rule, again, method_of, percent, smaller_steps
from training.diagnosis.curves import Curves
from training.diagnosis.evidence import Evidence

NEGLIGIBLE_KL = 1.0
"""Nats per answer below which a policy is so near its reference that growth means nothing."""


def closer(config: TrainingConfig) -> tuple[Remedy, ...]:
    """Ways to keep the policy nearer to its reference: a dearer distance, smaller steps."""
    steps = smaller_steps(config, "Smaller steps move it less.")
    if isinstance(config, RLHFConfig):
        beta = max(0.05, 2 * config.kl_beta)
        return (
            again(config, "A dearer KL keeps the policy nearer.", f"Set the KL's β to {beta:g}", kl_beta=beta),
            steps,
        )
    if isinstance(config, PairConfig) and method_of(config).has_reference:
        beta = 2 * config.beta
        return (again(config, "A larger β keeps the policy nearer.", f"Raise β to {beta:g}", beta=beta), steps)
    return (steps,)


def kl_without_gain(curves: Curves, config: RunConfig) -> Alarm | None:
    """The policy moves on and nothing is gained by it on pairs that were not trained on."""
    kl = curves.first_of("own/kl", "rollout/kl")
    gain = curves[
        "held_out/ranking_accuracy" if isinstance(config, RLHFConfig) else "held_out/implicit_reward_accuracy"
    ]
    if not kl or len(gain) < 3 or not isinstance(config, TrainingConfig) or method_of(config) is Method.SFT:
        return None
    best = gain.best()
    then = kl.at(gain.steps[best])
    later = kl.lasting(lambda value: value > max(NEGLIGIBLE_KL, t.KL_GROWTH.value * then))
    if later is None or len(gain) - best < 3:
        return None
    return Alarm(
        name="kl_without_gain",
        title="Further from the reference without gain",
        cause=f"The KL of the policy's own answers to the reference has grown from {then:.2g} nats at step "
        f"{gain.steps[best]} to {kl.last:.2g}{_interval(curves)}, while the accuracy on held-out pairs went from "
        f"{percent(gain.values[best])} to {percent(gain.last)}.",
        since=later,
        measure="kl",
        evidence=Evidence("own", "highest_kl"),
        remedies=closer(config),
    )


def _interval(curves: Curves) -> str:
    low, high = curves["own/kl_low"], curves["own/kl_high"]
    return f" [{low.last:.2g}, {high.last:.2g}]" if low and high else ""


def length_drift(curves: Curves, config: RunConfig) -> Alarm | None:
    """Answers that grow or shrink against the reference's: the cheapest way to look preferred."""
    ratio = curves["own/length_ratio"]
    if not isinstance(config, TrainingConfig) or method_of(config) is Method.SFT:
        return None
    longer = ratio.lasting(lambda value: value >= t.LENGTH_RATIO_HIGH.value)
    shorter = ratio.lasting(lambda value: value <= t.LENGTH_RATIO_LOW.value)
    since = longer if longer is not None else shorter
    if since is None:
        return None
    word = "longer" if longer is not None else "shorter"
    return Alarm(
        name="length_drift",
        title=f"Answers grow {word}",
        cause=f"The policy's answers to held-out prompts are {ratio.last:.2f} times as long as the reference's. If the "
        f"people who rated did not want {word} answers, the policy has learnt a bias of the data.",
        since=since,
        measure="length_ratio",
        evidence=Evidence("own", word),
        remedies=_length_remedies(config, curves, word),
    )


def _length_remedies(config: TrainingConfig, curves: Curves, word: str) -> tuple[Remedy, ...]:
    if isinstance(config, RLHFConfig):
        if word == "shorter":
            return closer(config)[:1]
        begin = max(0, round(curves["own/length"].first)) if curves["own/length"] else config.length_penalty_from
        price = 2 * config.length_penalty or 0.02
        sentence = "A price for every token beyond the reference's length takes the gain away."
        changes = {"length_penalty": price, "length_penalty_from": begin}
        return (again(config, sentence, f"Charge {price:g} a token from {begin} on", **changes),)
    if isinstance(config, DPOConfig) and not config.length_normalised and config.loss != "ipo":
        sentence = (
            "Mean in place of summed log-probabilities weigh long and short answers alike; β must be larger then."
        )
        return (again(config, sentence, "Normalise by length, β 2", length_normalised=True, beta=2.0),)
    return closer(config)[:1]


def diversity_collapse(curves: Curves, config: RunConfig) -> Alarm | None:
    """Less than half of the variety that the policy began with. SFT is meant to narrow it and is left out."""
    if not isinstance(config, TrainingConfig) or method_of(config) is Method.SFT:
        return None
    for name, word in (("own/entropy", "entropy per token"), ("own/distinct_2", "share of distinct bigrams")):
        curve = curves[name]
        if not curve or curve.first <= 0:
            continue
        limit = t.REMAINING_DIVERSITY.value * curve.first
        since = curve.lasting(lambda value, limit=limit: value < limit)  # type: ignore[misc]
        if since is not None:
            return Alarm(
                name="diversity_collapse",
                title="The answers lose their variety",
                cause=f"The {word} of the policy's own answers has fallen from {curve.first:.2g} to "
                f"{curve.last:.2g}, {percent(curve.last / curve.first)} of what it was before training.",
                since=since,
                measure="entropy" if name == "own/entropy" else "distinct_2",
                evidence=Evidence("own", "all"),
                remedies=closer(config),
            )
    return None


RULES: tuple[Rule, ...] = (kl_without_gain, length_drift, diversity_collapse)
