"""Rules on reward models, trained alone or as the first stage of RLHF; judged on held-out pairs."""

from __future__ import annotations

from training.config import RewardModelConfig, RLHFConfig, RunConfig
from training.diagnosis import thresholds as t
from training.diagnosis.alarms import Alarm, Remedy, Rule, again, percent
from training.diagnosis.curves import Curves
from training.diagnosis.evidence import Evidence

CHANCE_ALLOWANCE = 0.02
"""By how much a calibration error must exceed what pure chance gives with as many pairs."""


def length_bias(curves: Curves, config: RunConfig) -> Alarm | None:
    """Scores that follow length, and are therefore wrong where length misleads.

    Length may well be what people judge by: where the scores are right whichever answer is longer, nothing is wrong.
    """
    correlation = curves["reward_held_out/length_correlation"]
    if not correlation:
        return None
    longer = curves["reward_held_out/accuracy_longer_chosen"]
    shorter = curves["reward_held_out/accuracy_shorter_chosen"]
    preferred, labelled = curves["reward_held_out/longer_preferred"], curves["reward_held_out/longer_chosen"]
    correlated = correlation.trained.lasting(_follows_length)
    excess = bool(preferred and labelled) and abs(preferred.last - labelled.last) >= t.LENGTH_PREFERENCE.value
    uneven = not (longer and shorter) or abs(longer.last - shorter.last) >= t.SLICE_GAP.value
    if not uneven or (correlated is None and not excess):
        return None
    slices = ""
    if longer and shorter:
        slices = (
            f" It is right on {percent(longer.last)} of the pairs whose longer answer was chosen and on "
            f"{percent(shorter.last)} of the others."
        )
    preference = ""
    if preferred and labelled:
        preference = (
            f" It prefers the longer answer in {percent(preferred.last)} of the pairs, the labels do in "
            f"{percent(labelled.last)}."
        )
    towards_long = preferred.last > labelled.last if excess else correlation.last > 0
    return Alarm(
        name="length_bias",
        title="The reward follows length",
        cause=f"Score and length correlate with {correlation.last:.2f} on held-out pairs.{preference}{slices}",
        since=correlated if correlated is not None else correlation.steps[-1],
        measure="length_correlation",
        level="error",
        evidence=Evidence("reward", "misled_by_length" if towards_long else "misranked"),
        remedies=_length_remedies(config, towards_long=towards_long),
    )


def _follows_length(correlation: float) -> bool:
    return correlation >= t.LENGTH_CORRELATION.value or correlation <= t.LENGTH_CORRELATION_NEGATIVE.value


def _length_remedies(config: RunConfig, *, towards_long: bool) -> tuple[Remedy, ...]:
    missing = "shorter" if towards_long else "longer"
    data = Remedy(f"Balance the data: add pairs in which the {missing} answer is the better one, then train again.")
    if isinstance(config, RLHFConfig) and towards_long:  # a price would make short answers shorter still
        price = 2 * config.length_penalty or 0.02
        sentence = "Until then a price per token takes the advantage of long answers away."
        return (data, again(config, sentence, f"Charge {price:g} a token", length_penalty=price))
    return (data,)


def miscalibrated(curves: Curves, config: RunConfig) -> Alarm | None:
    """Its probabilities are not the shares that come true; small errors are within chance and are left out."""
    error, chance = curves["reward_held_out/ece"], curves["reward_held_out/ece_by_chance"]
    if not error:
        return None
    limit = max(t.ECE.value, chance.last + CHANCE_ALLOWANCE if chance else 0.0)
    since = error.trained.lasting(lambda value: value > limit)
    if since is None:
        return None
    temperature = curves["reward_held_out/temperature"]
    sure = " It is too sure." if temperature and temperature.last > 1 else ""
    fitted = f" A temperature of {temperature.last:.2g} would fit better.{sure}" if temperature else ""
    return Alarm(
        name="miscalibrated",
        title="The reward model's probabilities are off",
        cause=f"The expected calibration error on held-out pairs is {error.last:.2f}"
        f"{f', of which chance explains {chance.last:.2f}' if chance else ''}.{fitted}",
        since=since,
        measure="ece",
        level="error" if error.last > max(t.ECE_GRAVE.value, limit) else "warning",
        evidence=Evidence("reward", "misranked"),
        remedies=_calibration_remedies(config, too_sure=bool(sure)),
    )


def _calibration_remedies(config: RunConfig, *, too_sure: bool) -> tuple[Remedy, ...]:
    fitted = Remedy("The fitted temperature is stored with the model and corrects probabilities, not rankings.")
    if too_sure and isinstance(config, RewardModelConfig) and config.epochs > 1 and not config.max_steps:
        return (fitted, again(config, "Reward models grow too sure with every pass.", "Train one pass", epochs=1.0))
    return (fitted,)


def members_disagree(curves: Curves, config: RunConfig) -> Alarm | None:
    """Models that differ in nothing but the order of the data rank many pairs differently: neither knows."""
    share = curves["reward_held_out/disagreement"]
    if not share or share.last < t.DISAGREEMENT.value:
        return None
    return Alarm(
        name="members_disagree",
        title="The reward models disagree",
        cause=f"Reward models trained on the same pairs in another order rank {percent(share.last)} of the held-out "
        "pairs differently. On such answers a score is chance, and a policy that is trained on it will seek them.",
        since=share.steps[-1],
        measure="disagreement",
        evidence=Evidence("reward", "misranked"),
        remedies=(Remedy("More pairs, or fewer flipped ones, are what makes reward models agree."),),
    )


RULES: tuple[Rule, ...] = (length_bias, miscalibrated, members_disagree)
