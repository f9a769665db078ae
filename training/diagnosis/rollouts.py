"""Rules on reinforcement learning: what the rollouts and the updates look like."""

from __future__ import annotations

from training.config import RLHFConfig, RunConfig
from training.diagnosis import thresholds as t
from training.diagnosis.alarms import Alarm, Remedy, Rule, again, percent, smaller_steps
from training.diagnosis.curves import Curve, Curves
from training.diagnosis.evidence import Evidence
from training.diagnosis.samples import closer

LOOKS = 3
"""Points of a curve that is measured on one batch each: one bad batch is no alarm."""


def over_optimisation(curves: Curves, config: RunConfig) -> Alarm | None:
    """The learned reward rises while the policy agrees less with people's held-out judgements (Goodhart)."""
    proxy = curves.first_of("own/score", "rollout/score")
    judged = curves["held_out/ranking_accuracy"]
    if not isinstance(config, RLHFConfig) or len(judged) < LOOKS or not proxy:
        return None
    best = judged.best()
    after = Curve(judged.steps[best + 1 :], judged.values[best + 1 :])
    since = after.lasting(lambda value: value <= judged.values[best] - t.JUDGEMENT_FALL.value)
    risen = proxy.last - proxy.at(judged.steps[best])
    if since is None or risen < t.PROXY_RISE.value:  # in standard deviations of the reference's own scores
        return None
    kl = curves.first_of("own/kl", "rollout/kl")
    distance = f" The policy is {kl.last:.2g} nats from the reference." if kl else ""
    free = " Nothing holds it there: β of the KL is 0." if config.kl_beta == 0 else ""
    return Alarm(
        name="over_optimisation",
        title="The reward rises, the judgement of people falls",
        cause=f"Since step {judged.steps[best]} the reward model's score has risen by {risen:.2g}, while the share of "
        f"held-out pairs that the policy ranks as people did fell from {percent(judged.values[best])} to "
        f"{percent(judged.last)}.{distance}{free}",
        since=since,
        measure="over_optimisation",
        level="error",
        evidence=Evidence("own", "highest_score"),
        remedies=closer(config),
    )


def truncation(curves: Curves, config: RunConfig) -> Alarm | None:
    """Answers that never end are cut off, and are judged by what they had said until then."""
    share = curves["rollout/truncated_share"]
    since = share.lasting(lambda value: value >= t.TRUNCATED_SHARE.value, LOOKS)
    if since is None or not isinstance(config, RLHFConfig):
        return None
    room, penalty = 2 * config.max_new_tokens, 2 * config.missing_eos_penalty or 1.0
    return Alarm(
        name="truncation",
        title="Answers are cut off",
        cause=f"{percent(share.last)} of the sampled answers reach the limit of {config.max_new_tokens} tokens without "
        "an end, so they are penalised for their length and not for what they say.",
        since=since,
        measure="truncated_share",
        evidence=Evidence("own", "cut_off"),
        remedies=(
            again(config, "Give answers more room.", f"Allow {room} tokens", max_new_tokens=room),
            again(config, "Or charge more for a missing end.", f"Charge {penalty:g}", missing_eos_penalty=penalty),
        ),
    )


def zero_spread(curves: Curves, config: RunConfig) -> Alarm | None:
    """Groups whose answers all got the same reward teach nothing: their advantages are zero."""
    share = curves["rollout/zero_spread_share"]
    since = share.lasting(lambda value: value >= t.ZERO_SPREAD_SHARE.value, LOOKS)
    if since is None or not isinstance(config, RLHFConfig):
        return None
    size = 2 * config.group_size
    return Alarm(
        name="zero_spread",
        title="Groups without a difference",
        cause=f"In {percent(share.last)} of the groups all {config.group_size} answers got the same reward, so these "
        "prompts teach nothing.",
        since=since,
        measure="zero_spread_share",
        evidence=Evidence("own", "all"),
        remedies=(again(config, "Larger groups differ more often.", f"Sample {size} answers", group_size=size),),
    )


def clipping(curves: Curves, config: RunConfig) -> Alarm | None:
    """So many ratios are clipped that most of an update is thrown away: the steps leave the trusted region."""
    share = curves["rollout/clip_share"]
    since = share.lasting(lambda value: value >= t.CLIP_SHARE.value, LOOKS)
    if since is None or not isinstance(config, RLHFConfig):
        return None
    fewer = max(1, config.updates_per_batch // 2)
    return Alarm(
        name="clipping",
        title="Updates are clipped",
        cause=f"{percent(share.last)} of the probability ratios left the range of 1 ± {config.clip_range:g} and were "
        "not pushed further: the updates on one batch go too far.",
        since=since,
        measure="clip_share",
        remedies=(
            smaller_steps(config, "Smaller steps stay within the range."),
            again(config, "Or fewer updates on each batch.", f"{fewer} a batch", updates_per_batch=fewer),
        ),
    )


def sampler_gap(curves: Curves, config: RunConfig) -> Alarm | None:
    """What samples and what is trained disagree on the probabilities, so the gradient is for another policy."""
    gap = curves["rollout/sampler_gap"]
    since = gap.lasting(lambda value: value >= t.SAMPLER_GAP.value, LOOKS)
    if since is None or not isinstance(config, RLHFConfig):
        return None
    return Alarm(
        name="sampler_gap",
        title="Sampler and trainer disagree",
        cause=f"The log-probabilities of the sampled tokens differ by {gap.last:.2g} nats on average between "
        "what wrote them and what is trained.",
        since=since,
        measure="sampler_gap",
        remedies=_gap_remedies(config),
    )


def _gap_remedies(config: RLHFConfig) -> tuple[Remedy, ...]:
    if config.precision == "bf16":
        return (again(config, "fp32 brings the two together.", "Train in fp32", precision="fp32"),)
    if config.sampler == "vllm":
        sentence = "The trainer's own loop has no such gap in fp32."
        return (again(config, sentence, "Sample with Transformers", sampler="transformers"),)
    return (Remedy("In fp32 the trainer's own loop has no such gap: please report this run."),)


RULES: tuple[Rule, ...] = (over_optimisation, truncation, zero_spread, clipping, sampler_gap)
