"""What the figures say: a headline, verdicts with their thresholds, and what a reference check means for each method.

Thresholds are heuristics of this project where nothing else stands beside them; methods.md, section 5, lists them.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.config import Method
from training.inspections.summary import Calibration, Kind, LengthBias, Share, Summary

LENGTH_CORRELATION = 0.3
"""Heuristic: a correlation of score and length above this is a liking of length."""

LENGTH_GAP = 0.1
"""Heuristic: points of accuracy by which pairs with a shorter chosen answer may lag behind, beyond their intervals."""

CALIBRATION_WARNING, CALIBRATION_ALARM = 0.05, 0.1
"""Heuristic: expected calibration error above what so few pairs show by chance."""

ODD_SHARE = 0.2
"""Heuristic: how often an answer that nobody wants may score above the chosen one."""

DISAGREEMENT = 0.25
"""Heuristic: share of pairs that two reward models may rank differently."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing to know: `level` is error or warning, `rule` says when it is said, `slice` which pairs show it."""

    level: str
    title: str
    text: str
    rule: str = ""
    slice: str = ""


def percent(share: float) -> str:
    """0.534 -> '53 %'."""
    return f"{100 * share:.0f} %"


def interval(share: Share) -> str:
    """'53 % [51, 55]'."""
    return f"{percent(share.value)} [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def wrong(share: Share) -> Share:
    """The share that is ranked wrongly."""
    return Share(share.total - share.right, share.total, 1 - share.high, 1 - share.low)


def headline(summary: Summary) -> str:
    """The result in a sentence."""
    pairs = f"{summary.pairs:,} pairs"
    if summary.kind is Kind.REFERENCE:
        bad = interval(wrong(summary.accuracy))
        return f"The reference ranks {bad} of {pairs} wrongly: the rejected answer is likelier."
    what = "The reward model" if summary.kind is Kind.REWARD else "The implicit reward of the policy"
    held_out = summary.slice("split:held_out")
    apart = f", {interval(held_out.accuracy)} of the held-out ones" if held_out else ""
    return f"{what} ranks {interval(summary.accuracy)} of {pairs} as the labels do{apart}."


LITTLE_TO_TURN = 0.05
"""Heuristic: below this share of wrongly ranked pairs the choice between DPO and constrained CPO matters little."""


def reference_in_short(summary: Summary, method: Method) -> str:
    """The reference check for the launch form of a method that learns from pairs."""
    mean = summary.accuracy_per_token
    bad = wrong(mean if method is Method.SIMPO and mean else summary.accuracy)
    start = f"The reference ranks {interval(bad)} of these pairs wrongly"
    if method is Method.CPO:
        return f"{start}; with a floor of 0 or more each of them must end ranked rightly, where DPO would stop earlier."
    if method is not Method.DPO:
        return f"{start}. This method does not compare with it, so those are simply what is left to learn."
    if bad.low < LITTLE_TO_TURN:
        return f"{start}, so DPO has little to turn round."
    return f"{start}; DPO stops at “less wrong” on those; consider constrained CPO with floor 0."


def meanings(summary: Summary) -> list[tuple[str, str]]:
    """What a reference check means, by method."""
    bad, per_token = wrong(summary.accuracy), summary.accuracy_per_token
    mean = f" By log-probability per token it is {interval(wrong(per_token))}." if per_token else ""
    dpo = (
        f"On the {percent(bad.value)} of pairs that the reference ranks wrongly its loss is satisfied once the policy "
        "is less wrong than the reference, with the rejected answer still likelier."
    )
    constrained = (
        "With floor 0 every pair must end with the chosen answer ahead; on pairs that the reference ranks rightly it "
        "is DPO. Where a label is flipped it pushes the wrong way harder too: use label smoothing on noisy data."
    )
    free = f"They compare with no reference, so only the policy's own likelihoods count.{mean}"
    return [("DPO", dpo), ("Constrained CPO", constrained), ("SimPO and contrastive CPO", free)]


def verdicts(summary: Summary) -> list[Verdict]:
    """What is wrong with a reward, the worst first; empty for a reference, whose meaning stands apart."""
    if summary.kind is Kind.REFERENCE:
        return []
    found = [_ranking(summary), _length(summary.length), _calibration(summary), *_oddities(summary), _members(summary)]
    return sorted((verdict for verdict in found if verdict), key=lambda verdict: verdict.level)


def _ranking(summary: Summary) -> Verdict | None:
    held_out = summary.slice("split:held_out")
    accuracy = held_out.accuracy if held_out else summary.accuracy
    if accuracy.low > 0.5:
        return None
    level = "error" if accuracy.high < 0.5 else "warning"
    text = f"It ranks {interval(accuracy)} of the pairs as the labels do; a coin would rank half of them so."
    return Verdict(
        level, "No better than chance", text, "the interval reaches 50 %", "split:held_out" if held_out else ""
    )


def _length(length: LengthBias) -> Verdict | None:
    """Length bias: by accuracy where the shorter answer is chosen, and by correlation."""
    lags, correlated = _lags(length), _follows(length)
    if not lags and not correlated:
        return None
    parts = []
    if length.where_shorter_chosen.total:
        parts.append(
            f"Where the shorter answer is chosen it ranks {interval(length.where_shorter_chosen)} rightly, where the "
            f"longer is, {interval(length.where_longer_chosen)}."
        )
    else:
        parts.append("In no pair is the shorter answer the chosen one, so this data cannot tell length from quality.")
    parts.append(f"Score and length correlate with {length.correlation:.2f}.")
    parts.append(
        f"It prefers the longer answer in {percent(length.prefers_longer.value)} of pairs, the labels in "
        f"{percent(length.labels_prefer_longer.value)}."
    )
    parts.append(
        "Trained against this score, a policy learns to be long: balance the lengths in the data, or set a length "
        "penalty."
    )
    rule = (
        f"correlation above {LENGTH_CORRELATION} with the longer answer preferred beyond the labels, or accuracy more "
        f"than {percent(LENGTH_GAP)} lower where the shorter answer is chosen, beyond both intervals (heuristic)"
    )
    title = "It rewards length" if lags and correlated else "It may reward length"
    return Verdict("error" if lags and correlated else "warning", title, " ".join(parts), rule, "longer:rejected")


def _follows(length: LengthBias) -> bool:
    """Whether score and length go together more than the labels do: where longer answers are better, both must."""
    beyond = length.prefers_longer.low > length.labels_prefer_longer.value
    return length.correlation > LENGTH_CORRELATION and (beyond or not length.where_shorter_chosen.total)


def _lags(length: LengthBias) -> bool:
    shorter, longer = length.where_shorter_chosen, length.where_longer_chosen
    if not shorter.total or not longer.total:
        return False
    return longer.value - shorter.value > LENGTH_GAP and longer.low > shorter.high


def _calibration(summary: Summary) -> Verdict | None:
    if summary.kind is Kind.POLICY and not summary.beta:
        return None  # without β its gaps are no probabilities
    measured = summary.calibration
    excess = measured.error - measured.error_by_chance
    if excess <= CALIBRATION_WARNING:
        return None
    text = (
        f"Its probabilities are off by {percent(measured.error)} on average; {measured.pairs:,} pairs show "
        f"{percent(measured.error_by_chance)} by chance. {_mending(measured)}"
    )
    rule = f"calibration error beyond chance above {CALIBRATION_WARNING}, or {CALIBRATION_ALARM} (heuristic)"
    return Verdict("error" if excess > CALIBRATION_ALARM else "warning", "Badly calibrated", text, rule)


def _mending(measured: Calibration) -> str:
    """What a temperature would do about it."""
    if measured.error_fitted > measured.error / 2:
        return "No one temperature mends that: it is too sure in some places and not sure enough in others."
    claims = "more" if measured.temperature > 1 else "less"
    return (
        f"The gaps claim {claims} than they hold: divided by {measured.temperature:.2g} they are off by "
        f"{percent(measured.error_fitted)}. The ranking does not change by that."
    )


def _oddities(summary: Summary) -> list[Verdict]:
    odd = [oddity for oddity in summary.oddities if oddity.beats_chosen.low > ODD_SHARE]
    return [
        Verdict(
            "warning",
            f"It {'likes' if oddity.beats_chosen.value >= 0.5 else 'sometimes likes'} {oddity.name}",
            f"{oddity.name.capitalize()} score above the chosen answer in {interval(oddity.beats_chosen)} of "
            f"{oddity.beats_chosen.total} pairs. A policy will find them.",
            f"more than {percent(ODD_SHARE)} of pairs, beyond the interval (heuristic)",
        )
        for oddity in odd
    ]


def _members(summary: Summary) -> Verdict | None:
    members = summary.disagreement
    if members is None or members.differ.value <= DISAGREEMENT:
        return None
    text = (
        f"Two reward models of other seed and data order rank {interval(members.differ)} of pairs differently: there "
        "neither knows, and a policy finds what only one of them likes. More pairs help."
    )
    return Verdict("warning", "Its twin disagrees", text, f"more than {percent(DISAGREEMENT)} of pairs (heuristic)")
