"""Rules on the fixed slice of held-out pairs, for the methods that learn from pairs (and SFT's held-out loss)."""

from __future__ import annotations

import math

from training.config import (
    CPOConfig,
    DPOConfig,
    Method,
    PairConfig,
    RLHFConfig,
    RunConfig,
    SimPOConfig,
    TrainingConfig,
)
from training.diagnosis import thresholds as t
from training.diagnosis.alarms import Alarm, Remedy, Rule, again, longer, method_of, percent, smaller_steps
from training.diagnosis.curves import Curve, Curves
from training.diagnosis.evidence import Evidence

MOST_SMOOTHING = 0.4
MEANINGFUL_GAIN = 0.01
"""Less than this change of a share of 256 pairs is two pairs."""
ENOUGH_PAIRS = 500
"""Training pairs after which contradictions are taken for more than ignorance (heuristic)."""


def undesirable_region(curves: Curves, config: RunConfig) -> Alarm | None:
    """DPO is satisfied below the start of its loss, constrained CPO only at its floor; both may stop in between."""
    share = curves["held_out/undesirable_share"]
    since = share.lasting(lambda value: value >= t.UNDESIRABLE_SHARE.value)
    if since is None or not isinstance(config, DPOConfig | CPOConfig):
        return None
    return Alarm(
        name="undesirable_region",
        title="Pairs left in the undesirable region",
        cause=f"{percent(share.last)} of the held-out pairs are in the undesirable region (δ_ref < δ_θ < 0, where δ "
        "is log p(chosen) − log p(rejected) under the reference and under the policy): training moved them the right "
        f"way, and the policy still prefers the rejected answer{_satisfied(config)}.{_pessimistic(curves)}",
        since=since,
        measure="undesirable_share",
        level="error" if share.last >= t.UNDESIRABLE_SHARE_GRAVE.value else "warning",
        evidence=Evidence("held_out", "undesirable"),
        remedies=_region_remedies(config),
    )


def _pessimistic(curves: Curves) -> str:
    """How often the reference is wrong; nothing for a run that ended between the two measures."""
    share = curves["held_out/pessimistic_share"]
    return f" The reference prefers the rejected answer on {percent(share.last)} of the pairs." if share else ""


def _satisfied(config: DPOConfig | CPOConfig) -> str:
    return ", and DPO's target on those is less wrong, not right" if isinstance(config, DPOConfig) else ""


def _region_remedies(config: DPOConfig | CPOConfig) -> tuple[Remedy, ...]:
    if isinstance(config, CPOConfig):
        return (longer(config, "The floor keeps pushing; give it time."),)
    floor = Remedy(
        "Constrained CPO with floor 0 asks for the right order on every pair, at the same budget. Where labels are "
        "wrong it pushes harder too, so look at some of the pairs first.",
        "Launch constrained CPO, floor 0",
        Method.CPO,
        {"margin": "hard", "floor": 0.0},
    )
    return (floor,)


def ranking_not_improved(curves: Curves, config: RunConfig) -> Alarm | None:
    """The implicit reward ranks well while the policy itself, which is what is served, ranks no better than before."""
    suffix = "_per_token" if _per_token(config) else ""
    ranking, reference = (
        curves[f"held_out/ranking_accuracy{suffix}"],
        curves[f"held_out/reference_ranking_accuracy{suffix}"],
    )
    reward = curves["held_out/implicit_reward_accuracy"]
    if not isinstance(config, PairConfig) or not (ranking and reference and reward):
        return None
    if reward.last < t.REWARD_ACCURACY.value:
        return None
    since = ranking.trained.lasting(lambda v: v <= reference.last + MEANINGFUL_GAIN)
    if since is None:
        return None
    return Alarm(
        name="ranking_not_improved",
        title="The policy ranks no better than its reference",
        cause=f"The implicit reward prefers the chosen answer on {percent(reward.last)} of the held-out pairs, but the "
        f"policy itself finds it likelier on only {percent(ranking.last)}; the reference did on "
        f"{percent(reference.last)}.",
        since=since,
        measure="ranking_accuracy",
        evidence=Evidence("held_out", "misranked"),
        remedies=_region_remedies(config) if isinstance(config, DPOConfig | CPOConfig) else (),
    )


def _per_token(config: RunConfig) -> bool:
    averaged = getattr(config, "length_normalised", False) or getattr(config, "loss", "") == "ipo"
    return bool(averaged) or isinstance(config, SimPOConfig)


def likelihood_displacement(curves: Curves, config: RunConfig) -> Alarm | None:
    """The margin grows because the rejected answer falls faster, while the chosen one falls too."""
    moved, gain = curves["held_out/chosen_displacement_per_token"], curves["held_out/margin_gain"]
    since = moved.lasting(lambda value: value <= t.DISPLACEMENT.value)
    if since is None or not isinstance(config, PairConfig) or not gain or gain.last <= 0:
        return None
    return Alarm(
        name="likelihood_displacement",
        title="The chosen answers become less likely",
        cause=f"The margin has grown by {gain.last:.2g} nats, but the chosen answers themselves have lost "
        f"{-moved.last:.2g} nats per token. The probability goes to answers that are in no pair.",
        since=since,
        measure="chosen_displacement",
        evidence=Evidence("held_out", "displaced"),
        remedies=_likelihood_remedies(config),
    )


def _likelihood_remedies(config: PairConfig) -> tuple[Remedy, ...]:
    if hasattr(config, "nll_weight"):
        weight = 2 * config.nll_weight or 1.0
        sentence = "A term for the likelihood of the chosen answers holds them up."
        return (again(config, sentence, f"Add a likelihood term, weight {weight:g}", nll_weight=weight),)
    return (_firmer(config),)


def _firmer(config: PairConfig) -> Remedy:
    beta = 2 * config.beta
    return again(config, "A larger β holds the policy closer to the reference.", f"Raise β to {beta:g}", beta=beta)


def label_noise(curves: Curves, config: RunConfig) -> Alarm | None:
    """Errors where the model is sure are errors of the labels, or of what the labels reward."""
    share = _contradicted(curves, config)
    since = share.beyond(_first_to_judge_labels(config)).lasting(lambda value: value >= t.CONTRADICTED_SHARE.value)
    if since is None:
        return None
    return Alarm(
        name="label_noise",
        title="Many labels look wrong",
        cause=f"Where the model is surest (half of the held-out pairs, none of them trained on) it contradicts "
        f"{percent(share.last)} of the labels. A model that is only weak errs where it is unsure; this points to up to "
        f"{percent(share.last)} flipped labels, or to preferences that depend on something the model cannot see.",
        since=since,
        measure="contradicted_share",
        level="error",
        evidence=Evidence("held_out" if isinstance(config, PairConfig) else "reward", "contradicted"),
        remedies=(
            Remedy("Read the pairs below: if most are labelled wrongly, clean the dataset into a new version."),
            *_smoothing(config, share.last),
        ),
    )


def _first_to_judge_labels(config: RunConfig) -> int:
    """The first such step: a model that has seen few pairs contradicts half of all labels, be they right or wrong."""
    if not isinstance(config, TrainingConfig):
        return 0
    return math.ceil(ENOUGH_PAIRS / (config.reward if isinstance(config, RLHFConfig) else config).batch_size)


def _contradicted(curves: Curves, config: RunConfig) -> Curve:
    """Of the model that learns from the labels: the policy itself, or the reward model of RLHF."""
    return curves[
        "held_out/contradicted_share" if isinstance(config, PairConfig) else "reward_held_out/contradicted_share"
    ]


def _smoothing(config: RunConfig, rate: float) -> tuple[Remedy, ...]:
    if not isinstance(config, PairConfig):
        return ()
    smoothing = min(MOST_SMOOTHING, max(0.1, round(rate / 2, 1)))  # part of the contradictions are the model's errors
    if config.label_smoothing >= smoothing:
        return ()
    sentence = "Label smoothing counts every pair as flipped with this probability, so that no single one pulls hard."
    return (again(config, sentence, f"Smooth labels by {smoothing:g}", label_smoothing=smoothing),)


def generalisation_gap(curves: Curves, config: RunConfig) -> Alarm | None:
    """Better on the pairs that are trained on than on others: learnt by heart, or labels that cannot be learnt."""
    for train, held_out in (
        ("train/implicit_reward_accuracy", "held_out/implicit_reward_accuracy"),
        ("reward/accuracy", "reward_held_out/accuracy"),
        ("train/ranking_accuracy", "held_out/ranking_accuracy"),  # methods without a reference
    ):
        seen, unseen = curves[train], curves[held_out]
        if len(unseen) >= 3 and seen:
            return _gap(curves, config, seen, unseen, _wrong(train))
    return None


def _wrong(measured: str) -> Evidence:
    """Pairs that a policy moved the wrong way, or that a reward model ranks wrongly."""
    return Evidence("held_out", "wrong") if measured.startswith("train/") else Evidence("reward", "misranked")


def _gap(curves: Curves, config: RunConfig, seen: Curve, unseen: Curve, evidence: Evidence) -> Alarm | None:
    looks = range(max(1, len(unseen) - 2), len(unseen))
    gaps = [seen.recent(since=unseen.steps[i - 1]) - unseen.values[i] for i in looks]
    if min(gaps) <= t.GAP.value or not isinstance(config, TrainingConfig):
        return None
    contradicted = _contradicted(curves, config)
    noisy = bool(contradicted) and contradicted.last >= t.CONTRADICTED_SHARE.value
    why = (
        "On the pairs where it is surest it contradicts many held-out labels, which points to flipped labels."
        if noisy
        else "Its sure judgements on held-out pairs mostly agree with the labels, which points to learning by heart."
    )
    return Alarm(
        name="generalisation_gap",
        title="Better on the training pairs than on others",
        cause=f"The model ranks {percent(unseen.last + gaps[-1])} of the training pairs rightly and "
        f"{percent(unseen.last)} of the held-out ones. {why} Wrong labels show in the pairs below, learning by heart "
        "in a held-out loss that rises.",
        since=unseen.steps[-2],
        measure="generalisation_gap",
        evidence=evidence,
        remedies=_smoothing(config, contradicted.last) if noisy else (_fewer_passes(config),),
    )


def _fewer_passes(config: TrainingConfig) -> Remedy:
    if isinstance(config, RLHFConfig):  # what learns from pairs there is the reward model
        epochs = config.reward.epochs / 2
        sentence = "Fewer passes over the pairs make a reward model that is less sure of what it learnt by heart."
        return again(config, sentence, f"Train the reward model {epochs:g} passes", reward__epochs=epochs)
    if config.max_steps or config.epochs <= 1:
        return smaller_steps(config, "Smaller steps learn less by heart.")
    epochs = max(1.0, config.epochs / 2)
    return again(
        config, "Fewer passes over the same pairs learn less by heart.", f"Train {epochs:g} pass", epochs=epochs
    )


def overfitting(curves: Curves, config: RunConfig) -> Alarm | None:
    """The held-out loss has turned. Not for robust DPO, whose loss is unbounded below and no measure of fit."""
    loss = curves.first_of("held_out/loss", "reward_held_out/loss")
    if len(loss) < 3 or not isinstance(config, TrainingConfig) or getattr(config, "loss", "") == "robust":
        return None
    lowest = loss.best(low=True)
    limit = loss.values[lowest] + t.LOSS_RISE.value * abs(loss.values[lowest])
    since = Curve(loss.steps[lowest:], loss.values[lowest:]).lasting(lambda value: value > limit)
    if since is None:
        return None
    return Alarm(
        name="overfitting",
        title="The held-out loss rises",
        cause=f"The held-out loss was lowest at step {loss.steps[lowest]} ({loss.values[lowest]:.3g}) and has risen to "
        f"{loss.last:.3g}: what is learnt since then does not carry over to other pairs.",
        since=since,
        measure="loss",
        remedies=(_stop_at(config, loss.steps[lowest]),),
    )


def _stop_at(config: TrainingConfig, step: int) -> Remedy:
    if isinstance(config, RLHFConfig):
        return _fewer_passes(config)
    if step == 0:
        return smaller_steps(config, "It rose from the start: the steps are too large.")
    return again(config, "Stop where it was lowest.", f"Train {step} steps", max_steps=step)


def margin_without_accuracy(curves: Curves, config: RunConfig) -> Alarm | None:
    """Pairs that are ranked rightly are pushed further apart, and no further pair is won."""
    margin, accuracy = curves["held_out/margin_gain"], curves["held_out/implicit_reward_accuracy"]
    if len(accuracy) < 4 or len(margin) != len(accuracy) or not isinstance(config, PairConfig):
        return None
    then = len(accuracy) - 3
    best_before = max(accuracy.values[: then + 1])
    grown = margin.last > t.MARGIN_GROWTH.value * max(margin.values[then], 0.0) and margin.last > 0
    if not grown or max(accuracy.values[then + 1 :]) > best_before + MEANINGFUL_GAIN:
        return None
    return Alarm(
        name="margin_without_accuracy",
        title="The margin grows, the accuracy does not",
        cause=f"Since step {accuracy.steps[then]} the mean reward margin on held-out pairs has grown from "
        f"{margin.values[then]:.2g} to {margin.last:.2g} nats, while the share ranked rightly stays at "
        f"{percent(accuracy.last)}: only pairs that were right already are pushed further.",
        since=accuracy.steps[then],
        measure="margin_gain",
        evidence=Evidence("held_out", "wrong"),
        remedies=(
            again(
                config,
                "Stop there: further steps only move the policy away from the reference.",
                f"Train {accuracy.steps[then]} steps",
                max_steps=accuracy.steps[then],
            ),
            *((_firmer(config),) if method_of(config).has_reference else ()),  # elsewhere β holds nothing back
        ),
    )


RULES: tuple[Rule, ...] = (
    label_noise,
    undesirable_region,
    ranking_not_improved,
    likelihood_displacement,
    generalisation_gap,
    overfitting,
    margin_without_accuracy,
)
