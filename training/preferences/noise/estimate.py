"""How many labels are wrong, and how likely each is, from the margins of an out-of-fold model.

If every label is turned round with the same probability e, whatever the pair, a model's margin m (its sureness of
what the label says) meets a right or wrong label with

    P(label agrees) = e + (1 - 2 e) sigma(a m)

which levels off at 1 - e however sure the model is: a psychometric function with lapse rate e (Wichmann and Hill 2001;
for labels, the class-independent noise of Natarajan et al. 2013). e and a are fitted by maximum likelihood. What real
raters disagree on by nature (Bradley and Terry) lies in the slope and is not counted; what they get wrong where the
other pairs leave no doubt is. So is a preference whose reason the model cannot see, hence the rate is rather too high
than too low.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

RATES: Floats = np.linspace(0, 0.495, 100)
SLOPES: Floats = np.geomspace(0.1, 20, 120)
SHAPES = (0.8, 1.0, 1.25)
"""Powers of the margin that count as likely as the logistic form itself: nobody knows how sureness grows with it."""
CLASSES = 200
CHI_SQUARE_95 = 3.841
TELLING = 0.25
"""An interval wider than this says that the rate cannot be told."""
FEWEST = 200
"""Below so many pairs nothing is estimated."""


@dataclass(frozen=True, slots=True)
class FlipRate:
    """The share of wrong labels with its 95 % interval, and what it was read from.

    `accuracy` is the share of labels that the out-of-fold model agrees with; `slope` turns margins into log odds.
    """

    rate: float
    low: float
    high: float
    slope: float
    accuracy: float
    pairs: int

    @property
    def told(self) -> bool:
        """Whether the margins say enough to name a rate; a half is none, but labels or a model that mean nothing."""
        return self.high - self.low <= TELLING and self.high < RATES[-1]


def flip_rate(margins: Floats, groups: Any, beside: Floats | None = None) -> FlipRate:
    """The estimate from one margin per pair; pairs of the same group (prompt) are not independent of each other.

    The interval holds every rate whose profile likelihood, over slopes and over SHAPES, is not significantly worse
    than the best, with likelihoods divided by the groups' design effect. `beside` [RATES] is the log-likelihood that
    something else gives each rate (triads.py); it is added.
    """
    sizes, sure, agreeing = _classes(margins)
    profiles = [_profile(sizes, np.sign(sure) * np.abs(sure) ** shape, agreeing) for shape in SHAPES]
    design, more = _clustering(margins, groups), 0.0 if beside is None else beside
    logistic, slopes = profiles[SHAPES.index(1.0)]
    best = int((logistic / design + more).argmax())
    within = [_within(profile / design + more) for profile, _ in profiles]
    low, high = min(low for low, _ in within), max(high for _, high in within)
    scale = float(np.median(np.abs(margins))) or 1.0
    accuracy = float(np.mean(margins > 0))
    return FlipRate(float(RATES[best]), low, high, float(slopes[best]) / scale, accuracy, len(margins))


def log_likelihood(margins: Floats) -> float:
    """Of the labels under the best rate and slope: how well margins tell, whatever their scale and the noise."""
    return float(_profile(*_classes(margins))[0].max())


def probability_of_error(margins: Floats, found: FlipRate) -> Floats:
    """[pairs] P(the label is wrong | pair), by Bayes' rule with the rate and slope found."""
    right = 1 / (1 + np.exp(-np.clip(found.slope * margins, -50, 50)))
    wrong: Floats = found.rate * (1 - right)
    either: Floats = np.maximum(wrong + (1 - found.rate) * right, 1e-12)
    return wrong / either


def _classes(margins: Floats) -> tuple[Floats, Floats, Floats]:
    """Pairs of like sureness together: how many, how sure in units of the median, how many agree with the label."""
    order = np.argsort(np.abs(margins), kind="stable")
    parts = np.array_split(margins[order], min(CLASSES, len(margins)))
    scale = np.median(np.abs(margins)) or 1.0
    sizes = np.array([len(part) for part in parts], np.float64)
    sure = np.array([np.abs(part).mean() for part in parts]) / scale
    return sizes, sure, np.array([(part > 0).sum() for part in parts], np.float64)


def _profile(sizes: Floats, sure: Floats, agreeing: Floats) -> tuple[Floats, Floats]:
    """For every rate, the log-likelihood under the best slope, and that slope."""
    right = 1 / (1 + np.exp(-np.clip(SLOPES[:, None] * sure, -50, 50)))
    rates = RATES[:, None, None]
    agree = np.clip(rates + (1 - 2 * rates) * right, 1e-9, 1 - 1e-9)
    likelihood = np.log(agree) @ agreeing + np.log(1 - agree) @ (sizes - agreeing)
    return likelihood.max(axis=1), SLOPES[likelihood.argmax(axis=1)]


def _within(profile: Floats) -> tuple[float, float]:
    """The rates that are not significantly worse than the best; half a step of the grid is added on both sides."""
    near = RATES[2 * (profile.max() - profile) <= CHI_SQUARE_95]
    return max(0.0, float(near.min()) - 0.0025), min(0.5, float(near.max()) + 0.0025)


def _clustering(margins: Floats, groups: Any) -> float:
    """The design effect of the groups on the share of labels that the model agrees with."""
    agrees = (margins > 0) - np.mean(margins > 0)
    _, group = np.unique(groups, return_inverse=True)
    return design_effect(np.bincount(group, agrees).astype(np.float64), float((agrees**2).sum()))


def design_effect(deviations: Floats, independent: float) -> float:
    """How much larger the variance of a share is than `independent`, by its groups' sums [groups] of deviations from
    it (Kish 1965)."""
    return max(1.0, float((deviations**2).sum()) / independent) if independent else 1.0
