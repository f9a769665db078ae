"""Simulated tournaments whose truth is known: raters with tastes, prompts with difficulties, ties.

Rater r adds u_r ~ N(0, rater_spread²) to every policy's strength, prompt p adds v_p ~ N(0, prompt_spread²), and r calls
ties as e^{η_r}, η_r ~ N(η, tie_spread²). A vote then follows Davidson's model. What is to be found are the strengths
that infinitely many such raters and prompts would give: those of the likeliest model of the mean outcome of each pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comparisons.statistics.strengths.fitting import Comparisons, fit
from comparisons.statistics.strengths.models import Model
from comparisons.statistics.votes import Floats, Votes


@dataclass(frozen=True)
class Shape:
    """What a study looks like. `activity`: spread of the raters' readiness, in log; 0: all rate as much."""

    strengths: tuple[float, ...] = (0.5, 0.1, -0.6)
    tie: float = -0.3
    raters: int = 8
    prompts: int = 60
    per_item: int = 2
    rater_spread: float = 0.5
    prompt_spread: float = 0.7
    tie_spread: float = 0.5
    activity: float = 0.0
    pairs_per_prompt: int | None = None


def truth(shape: Shape, model: Model) -> Floats:
    """Centred strengths (K,) that infinitely many raters and prompts would give, by Gauss-Hermite quadrature."""
    points, weights = np.polynomial.hermite_e.hermegauss(41)
    mass = np.outer(weights, weights).ravel() / weights.sum() ** 2
    gap_point, tie_point = (axis.ravel() for axis in np.meshgrid(points, points, indexing="ij"))
    spread = np.sqrt(2 * (shape.rater_spread**2 + shape.prompt_spread**2))
    left, right = np.triu_indices(len(shape.strengths), 1)
    rows = []
    for i, j in zip(left, right, strict=True):
        gap = shape.strengths[i] - shape.strengths[j] + spread * gap_point
        win, tie = _davidson(gap, shape.tie + shape.tie_spread * tie_point)
        rows += [(i, j, 1.0, mass @ win), (i, j, 0.5, mass @ tie), (i, j, 0.0, mass @ (1 - win - tie))]
    i, j, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    found = fit(Comparisons(i, j, score, weight, len(shape.strengths)), model).parameters[: len(shape.strengths)]
    centred: Floats = found - found.mean()
    return centred


def tournament(shape: Shape, seed: int) -> Votes:
    """All votes of one simulated study; every prompt has all pairs, or `pairs_per_prompt` of them drawn at random."""
    chance, count = np.random.default_rng(seed), len(shape.strengths)
    strengths = np.array(shape.strengths)
    one, other = np.triu_indices(count, 1)
    each = shape.pairs_per_prompt or len(one)
    drawn = np.argsort(chance.random((shape.prompts, len(one))), axis=1)[:, :each].ravel()
    readiness = shape.activity * chance.standard_normal(shape.raters)
    # The raters with the highest readiness plus Gumbel noise: drawn without replacement, in proportion to e^readiness.
    order = np.argsort(-readiness - chance.gumbel(size=(len(drawn), shape.raters)), axis=1)
    rater = order[:, : shape.per_item].ravel()
    pair = np.repeat(drawn, shape.per_item)
    prompt = np.repeat(np.repeat(np.arange(shape.prompts), each), shape.per_item)
    swapped = chance.random(len(pair)) < 0.5
    left, right = np.where(swapped, other[pair], one[pair]), np.where(swapped, one[pair], other[pair])
    taste = shape.rater_spread * chance.standard_normal((shape.raters, count))
    difficulty = shape.prompt_spread * chance.standard_normal((shape.prompts, count))
    tie = shape.tie + shape.tie_spread * chance.standard_normal(shape.raters)
    gap = strengths[left] - strengths[right] + taste[rater, left] - taste[rater, right]
    gap = gap + difficulty[prompt, left] - difficulty[prompt, right]
    win, draw = _davidson(gap, tie[rater])
    point = chance.random(len(gap))
    score = np.where(point < win, 1.0, np.where(point < win + draw, 0.5, 0.0))
    return Votes(left, right, score, rater, prompt, count)


def _davidson(gap: Floats, tie: Floats) -> tuple[Floats, Floats]:
    """P(win) and P(tie), with an η for every vote."""
    weights = np.stack([gap / 2, tie, -gap / 2])
    weights = np.exp(weights - weights.max(axis=0))
    return weights[0] / weights.sum(axis=0), weights[1] / weights.sum(axis=0)
