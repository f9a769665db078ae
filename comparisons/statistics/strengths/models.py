"""Three models of a vote, as functions of the margin d = θ_left - θ_right in log-odds and of a tie parameter η.

Davidson (1970): P(left), P(tie), P(right) ∝ e^{d/2}, e^η, e^{-d/2}; ν = e^η; P(left) / P(right) = e^d.
Rao & Kupper (1967): P(left) = σ(d - η), P(right) = σ(-d - η), a tie is the rest; η > 0.
Halves: Bradley & Terry (1952) without ties; a tie counts half a win for each side; no η.
All three are log-concave in (d, η).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import expit, log_expit

from comparisons.statistics.votes import Floats


class Model(StrEnum):
    """How a tie is understood."""

    DAVIDSON = "davidson"
    RAO_KUPPER = "rao-kupper"
    HALVES = "halves"

    @property
    def has_tie_parameter(self) -> bool:
        return self is not Model.HALVES


@dataclass(frozen=True, slots=True)
class Terms:
    """Log-likelihood of each vote (n,), its slopes in d and η, and minus its second derivatives."""

    value: Floats
    slope: Floats
    tie_slope: Floats
    curvature: Floats
    mixed: Floats
    tie_curvature: Floats


def terms(model: Model, margin: Floats, tie: float, score: Floats) -> Terms:
    """Log-likelihood and derivatives at margins d (n,) and η = `tie` of scores 1, 0.5 and 0 (n,)."""
    if model is Model.DAVIDSON:
        return _davidson(margin, tie, score)
    if model is Model.RAO_KUPPER:
        return _rao_kupper(margin, tie, score)
    chance, none = expit(margin), np.zeros_like(margin)
    value = score * log_expit(margin) + (1 - score) * log_expit(-margin)
    return Terms(value, score - chance, none, chance * (1 - chance), none, none)


def probabilities(model: Model, margin: Floats, tie: float) -> tuple[Floats, Floats]:
    """Chance that the left side wins, and of a tie, element by element. No ties under halves: half of them are in."""
    if model is Model.DAVIDSON:
        win, draw, _ = _davidson_chances(margin, tie)
        return win, draw
    if model is Model.RAO_KUPPER:
        win = expit(margin - tie)
        return win, np.maximum(0.0, 1 - win - expit(-margin - tie))
    return expit(margin), np.zeros_like(margin)


def _davidson_chances(margin: Floats, tie: float) -> tuple[Floats, Floats, Floats]:
    """P(left), P(tie), P(right), computed from the largest exponent down, so that none overflows."""
    top = np.maximum(np.abs(margin) / 2, tie)
    win, draw, loss = np.exp(margin / 2 - top), np.exp(tie - top), np.exp(-margin / 2 - top)
    total = win + draw + loss
    return win / total, draw / total, loss / total


def _davidson(margin: Floats, tie: float, score: Floats) -> Terms:
    """An exponential family with statistics score - ½ (of d) and [tie] (of η): slopes are observed - expected."""
    win, draw, loss = _davidson_chances(margin, tie)
    tied, lead = (score == 0.5).astype(float), (win - loss) / 2
    top = np.maximum(np.abs(margin) / 2, tie)
    normaliser = top + np.log(np.exp(margin / 2 - top) + np.exp(tie - top) + np.exp(-margin / 2 - top))
    return Terms(
        value=(score - 0.5) * margin + tied * tie - normaliser,
        slope=score - 0.5 - lead,
        tie_slope=tied - draw,
        curvature=(win + loss) / 4 - lead**2,
        mixed=-lead * draw,
        tie_curvature=draw * (1 - draw),
    )


def _rao_kupper(margin: Floats, tie: float, score: Floats) -> Terms:
    """P(tie) = (1 - e^{-2η}) σ(η - d) σ(η + d): a win has one of the two factors mirrored, a loss the other."""
    ahead, behind = expit(margin - tie), expit(-margin - tie)
    tied = score == 0.5
    at_left, at_right = (score != 0.0).astype(float), (score != 1.0).astype(float)
    # Factor σ(d - η) of a win, σ(η - d) of a tie; factor σ(-d - η) of a loss, σ(η + d) of a tie.
    won, lost = score == 1.0, score == 0.0
    first = np.where(won, log_expit(margin - tie), np.where(tied, log_expit(tie - margin), 0.0))
    second = np.where(lost, log_expit(-margin - tie), np.where(tied, log_expit(tie + margin), 0.0))
    first_slope = np.where(won, 1 - ahead, np.where(tied, -ahead, 0.0))
    second_slope = np.where(lost, 1 - behind, np.where(tied, -behind, 0.0))
    bend, bend_back = at_left * ahead * (1 - ahead), at_right * behind * (1 - behind)
    growth = np.exp(2 * tie) - 1
    return Terms(
        value=first + second + tied * np.log1p(-np.exp(-2 * tie)),
        slope=first_slope - second_slope,
        tie_slope=-first_slope - second_slope + tied * 2 / growth,
        curvature=bend + bend_back,
        mixed=bend_back - bend,
        tie_curvature=bend + bend_back + tied * 4 * np.exp(2 * tie) / growth**2,
    )
