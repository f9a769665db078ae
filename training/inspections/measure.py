"""From scores and texts of pairs to the figures of an inspection: NumPy alone, no model.

A pair's `gap` is the chosen answer's score minus the rejected one's; its `label` is the data's probability that the
chosen answer is the better one, so a gap above 0 is right with that probability. Every pair counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from training.engine import calibration
from training.engine.calibration import wilson_interval
from training.inspections.slices import Facts, slices_of
from training.inspections.summary import (
    BestOf,
    Calibration,
    Disagreement,
    Dot,
    Kind,
    LengthBias,
    Oddity,
    Picked,
    Point,
    Share,
    Slice,
    Summary,
)
from training.inspections.traits import Judged, likings

Array = NDArray[np.float64]
T = TypeVar("T")

MOST_DOTS = 400
ENOUGH_HELD_OUT = 50
"""Held-out pairs from which on calibration is judged by them alone."""
MOST_DISAGREEMENTS = 8


@dataclass(frozen=True, slots=True)
class Scored:
    """A pair with its texts and scores; the two last gaps are None where the kind of model has none."""

    facts: Facts
    chosen: str
    rejected: str
    label: float
    chosen_score: float
    rejected_score: float
    gap_per_token: float | None = None  # by mean log-probabilities
    policy_gap: float | None = None  # of the policy's own likelihoods, without the reference

    @property
    def gap(self) -> float:
        return self.chosen_score - self.rejected_score

    @property
    def right(self) -> float:
        return _right(self.gap, self.label)


@dataclass(frozen=True, slots=True)
class Beyond:
    """What was measured on answers that the data does not hold, and by other reward models."""

    best_of: tuple[BestOf, ...] = ()
    picked: tuple[Picked, ...] = ()
    oddities: tuple[Oddity, ...] = ()
    disagreement: Disagreement | None = None


def summarise(kind: Kind, pairs: Sequence[Scored], *, beta: float, logit_scale: float, beyond: Beyond) -> Summary:
    """The figures over at least one pair. `logit_scale` turns a gap into the logit of the model's own probability."""
    keys = slices_of([pair.facts for pair in pairs])
    loves, hates = likings([Judged(p.facts.row, p.chosen, p.rejected, p.gap) for p in pairs])
    return Summary(
        kind=kind,
        pairs=len(pairs),
        held_out=sum(pair.facts.split == "held_out" for pair in pairs),
        beta=beta,
        accuracy=share(pair.right for pair in pairs),
        accuracy_per_token=_accuracy_by([(p.gap_per_token, p.label) for p in pairs]),
        accuracy_by_policy=_accuracy_by([(p.policy_gap, p.label) for p in pairs]),
        slices=_by_slice(pairs, keys),
        calibration=_calibration(pairs, logit_scale),
        length=_length_bias(pairs),
        dots=_dots(pairs),
        loves=tuple(loves),
        hates=tuple(hates),
        best_of=beyond.best_of,
        picked=beyond.picked,
        oddities=beyond.oddities,
        disagreement=beyond.disagreement,
    )


def share(rights: Iterable[float]) -> Share:
    """The mean of values in [0, 1] with Wilson's interval."""
    values = list(rights)
    right = float(sum(values))
    return Share(right, len(values), *wilson_interval(right, len(values)))


def _right(gap: float, label: float) -> float:
    """P(ranked rightly): a tie is right half the time."""
    return 0.5 if gap == 0 else label if gap > 0 else 1 - label


def _accuracy_by(gaps: Sequence[tuple[float | None, float]]) -> Share | None:
    known = [_right(gap, label) for gap, label in gaps if gap is not None]
    return share(known) if known else None


def _by_slice(pairs: Sequence[Scored], keys: Sequence[tuple[str, ...]]) -> tuple[Slice, ...]:
    """Every slice that does not hold all pairs, in the order of the keys."""
    members: dict[str, list[float]] = {}
    for pair, own in zip(pairs, keys, strict=True):
        for key in own:
            members.setdefault(key, []).append(pair.right)
    order = sorted(members, key=lambda key: (_group_place(key), key))
    return tuple(Slice(key, share(members[key])) for key in order if len(members[key]) < len(pairs))


def _group_place(key: str) -> tuple[int, str]:
    group = key.partition(":")[0]
    own = ["split", "longer", "length", "turns"]
    return (own.index(group) if group in own else len(own), group)


def _calibration(pairs: Sequence[Scored], logit_scale: float) -> Calibration:
    held_out = [pair for pair in pairs if pair.facts.split == "held_out"]
    judged = held_out if len(held_out) >= ENOUGH_HELD_OUT else pairs
    logits = np.array([pair.gap * logit_scale for pair in judged])
    labels = np.array([pair.label for pair in judged])
    temperature = calibration.fit_temperature(logits, labels)
    return Calibration(
        pairs=len(judged),
        held_out=judged is held_out,
        temperature=temperature,
        error=calibration.expected_calibration_error(logits, labels),
        error_by_chance=calibration.calibration_error_by_chance(logits),
        error_fitted=calibration.expected_calibration_error(logits / temperature, labels),
        brier=calibration.brier(logits, labels),
        log_loss=calibration.log_loss(logits, labels),
        curve=tuple(
            Point(b.confidence, b.accuracy, b.low, b.high, b.count)
            for b in calibration.reliability_curve(logits, labels)
        ),
    )


def _length_bias(pairs: Sequence[Scored]) -> LengthBias:
    scores = [score for pair in pairs for score in (pair.chosen_score, pair.rejected_score)]
    lengths = [tokens for pair in pairs for tokens in (pair.facts.chosen_tokens, pair.facts.rejected_tokens)]
    unequal = [pair for pair in pairs if _longer(pair)]
    return LengthBias(
        correlation=calibration.correlation(scores, lengths),
        within_pairs=calibration.correlation([p.gap for p in pairs], [_longer(p) for p in pairs]),
        prefers_longer=share(_right(pair.gap * np.sign(_longer(pair)), 1.0) for pair in unequal),
        labels_prefer_longer=share(pair.label if _longer(pair) > 0 else 1 - pair.label for pair in unequal),
        where_longer_chosen=share(pair.right for pair in unequal if _longer(pair) > 0),
        where_shorter_chosen=share(pair.right for pair in unequal if _longer(pair) < 0),
    )


def _longer(pair: Scored) -> int:
    """Tokens by which the chosen answer is longer."""
    return pair.facts.chosen_tokens - pair.facts.rejected_tokens


def _dots(pairs: Sequence[Scored]) -> tuple[Dot, ...]:
    """Both answers of evenly spread pairs."""
    dots = []
    for pair in spread(pairs, MOST_DOTS // 2):
        row = pair.facts.row
        dots.append(Dot(row, pair.facts.chosen_tokens, pair.chosen_score, True))
        dots.append(Dot(row, pair.facts.rejected_tokens, pair.rejected_score, False))
    return tuple(dots)


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, evenly spread over them."""
    if len(items) <= most:
        return list(items)
    return [items[i * len(items) // most] for i in range(most)]


def best_of_curve(scores: Array) -> tuple[BestOf, ...]:
    """Of the scores [prompts, answers] of sampled answers; the interval is 1.96 standard errors over prompts."""
    curve = []
    for point in calibration.best_of_n(scores):
        half = 0.0 if np.isnan(point.standard_error) else 1.959964 * point.standard_error
        curve.append(BestOf(point.n, point.kl, point.reward, point.reward - half, point.reward + half))
    return tuple(curve)


def disagreement(rows: Sequence[int], first: Array, second: Array) -> Disagreement:
    """Of two models' scores [pairs, 2], chosen first."""
    gaps, others = first[:, 0] - first[:, 1], second[:, 0] - second[:, 1]
    differ = (gaps > 0) != (others > 0)
    farthest = sorted(np.flatnonzero(differ), key=lambda i: -abs(gaps[i] - others[i]))[:MOST_DISAGREEMENTS]
    shown = tuple(rows[i] for i in farthest)
    return Disagreement(share(map(float, differ)), float(np.abs(first - second).mean()), shown)
