"""Strengths at equal style: what would be preferred if both answers were as long and as much marked up.

Features of each vote, differences of left and right, are added to the margin of the model (contextual Bradley-Terry, as
the public arenas do): d = θ_left - θ_right + β · x, with a small L2 penalty on β. Features are divided by their root
mean square and not centred: 0 must stay the point at which both answers look the same, and swapping sides must turn
the sign of every feature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, stdtrit

from .strengths.clusters import Errors, combined, information_moments, scores_by_cluster
from .strengths.estimate import Interval, Strengths, strengths_of
from .strengths.evidence import Evidence, weigh
from .strengths.models import Model, probabilities, terms
from .votes import Floats, Votes

PENALTY = 1.0
"""Taken off the log-likelihood: PENALTY · β² / 2; as much as one prior vote or so for each feature."""


@dataclass(frozen=True, slots=True)
class Controlled:
    """`strengths` at equal style; `effects`: β of each feature, log-odds per usual difference (its root mean square).

    `moves`: strength at equal style less the plain one, per policy. `rates` and `plain_rates`: chance of being
    preferred to the average other policy, ties as halves, at equal style and without control.
    """

    strengths: Strengths
    effects: list[Interval]
    moves: list[Interval]
    rates: list[Interval]
    plain_rates: list[Interval]


def controlled(votes: Votes, differences: Floats, model: Model | None = None, penalty: float = PENALTY) -> Controlled:
    """Estimate strengths with features (n, F) held equal, beside those without; one column controls length alone."""
    size = np.sqrt((differences**2).mean(axis=0))
    features = np.divide(differences, size, out=np.zeros_like(differences), where=size > 0)
    plain, equal = weigh(votes, model), weigh(votes, model, features, penalty)
    count = votes.policies
    effects = np.eye(equal.size)[count : count + features.shape[1]]
    return Controlled(
        strengths=strengths_of(equal),
        effects=_intervals(effects @ equal.found.parameters, equal.errors(effects)),
        moves=_moves(equal, plain),
        rates=average_rates(equal),
        plain_rates=average_rates(plain),
    )


def average_rates(evidence: Evidence) -> list[Interval]:
    """Each policy's chance of being preferred to the average of those comparable with it, features at 0.

    The mean over opponents of P(win) + P(tie) / 2; its error by the delta method, the interval on the logit scale.
    """
    found, count = evidence.found, evidence.policies
    theta = found.parameters[:count]
    gap = theta[:, None] - theta[None, :]
    opponents = evidence.comparable & ~np.eye(count, dtype=bool)
    weight = opponents / np.maximum(opponents.sum(axis=1, keepdims=True), 1)
    win, tie = probabilities(found.model, gap.ravel(), found.tie)
    rate = (weight * (win + tie / 2).reshape(count, count)).sum(axis=1)
    slope, tie_slope = (
        weight * part.reshape(count, count) for part in score_slopes(found.model, gap.ravel(), found.tie)
    )
    contrasts = np.zeros((count, evidence.size))
    contrasts[:, :count] = np.diag(slope.sum(axis=1)) - slope
    if found.model.has_tie_parameter:
        contrasts[:, -1] = tie_slope.sum(axis=1)
    errors = evidence.errors(contrasts)
    at = logit(np.clip(rate, 1e-12, 1 - 1e-12))
    spread = -stdtrit(errors.freedom, 0.025) * errors.error / np.maximum(rate * (1 - rate), 1e-12)
    ends = zip(rate, expit(at - spread), expit(at + spread), strict=True)
    return [Interval(float(value), float(low), float(high)) for value, low, high in ends]


def score_slopes(model: Model, gap: Floats, tie: float) -> tuple[Floats, Floats]:
    """Derivatives by d and η of the expected score P(win) + P(tie) / 2: Σ score · chance · slope of the log-chance."""
    win, draw = probabilities(model, gap, tie)
    slope, tie_slope = np.zeros_like(gap), np.zeros_like(gap)
    for score, chance in ((1.0, win), (0.5, draw)):
        if score == 1.0 or model.has_tie_parameter:
            found = terms(model, gap, tie, np.full_like(gap, score))
            slope, tie_slope = slope + score * chance * found.slope, tie_slope + score * chance * found.tie_slope
    return slope, tie_slope


def _moves(equal: Evidence, plain: Evidence) -> list[Interval]:
    """Difference of the two estimates, which share their votes: the error is that of the difference of influences."""
    here, there = equal.centred() @ equal.found.inverse, plain.centred() @ plain.found.inverse
    value = equal.centred() @ equal.found.parameters - plain.centred() @ plain.found.parameters
    grouping = equal.scatter.grouping
    raw = []
    for way in (*grouping.ways, *([grouping.both] if grouping.both else [])):
        influence = scores_by_cluster(equal.pull, way) @ here.T - scores_by_cluster(plain.pull, way) @ there.T
        raw.append((influence**2).sum(axis=0))
    # How information is spread over clusters is that of the strengths themselves.
    moments = [information_moments(equal.pull, way, here) for way in grouping.ways]
    both = raw[-1] if grouping.both else None
    return _intervals(value, combined(raw[: len(grouping.ways)], moments, both))


def _intervals(value: Floats, errors: Errors) -> list[Interval]:
    spread = -stdtrit(errors.freedom, 0.025) * errors.error
    ends = zip(value, value - spread, value + spread, strict=True)
    return [Interval(float(middle), float(low), float(high)) for middle, low, high in ends]
