"""How often each topic occurs in the data and in the target: ratios with intervals, a test, the distance of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from training.preferences.checks.findings import RowNumbers
from training.preferences.intervals import wilson

FALSE_DISCOVERIES = 0.05
"""Share of the topics called uncovered that may be so by chance (Benjamini and Hochberg 1995)."""
THIN = 0.25
"""A topic is uncovered when its share in the data is below this part of its share in the target."""
DRAWS = 400

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Per topic: prompts in data and target, share over share with its 95 % interval, q-value, verdict."""

    data: RowNumbers
    target: RowNumbers
    ratio: list[tuple[float, float, float] | None]
    q: Floats
    uncovered: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def deficit(self) -> Floats:
        """How much larger the topic's share in the target is than in the data; negative where the data has more."""
        gap: Floats = self.target / self.target.sum() - self.data / self.data.sum()
        return gap

    def by_deficit(self) -> list[int]:
        """Uncovered topics first, then the others; within each the largest deficit first."""
        return [int(number) for number in np.lexsort((-self.deficit, ~self.uncovered))]


def compare(data: RowNumbers, target: RowNumbers) -> Comparison:
    """Both are prompts per topic.

    Were the topic as common in both, the target's prompts among all of the topic's would be a draw without
    replacement (hypergeometric, Fisher's exact test, one-sided): the test asks how likely as many or more are.
    """
    from scipy.stats import false_discovery_control, hypergeom

    d, t = int(data.sum()), int(target.sum())
    p = hypergeom.sf(target - 1, d + t, t, data + target)
    q = false_discovery_control(np.clip(p, 0, 1))
    thin = data * t < THIN * target * d
    return Comparison(
        data,
        target,
        [ratio(a, d, b, t) for a, b in zip(data.tolist(), target.tolist(), strict=True)],
        q,
        thin & (q <= FALSE_DISCOVERIES),
    )


def ratio(data: int, all_data: int, target: int, all_target: int) -> tuple[float, float, float] | None:
    """Share in the data over share in the target with its 95 % interval; None when no target prompt is there.

    Given the topic's data + target prompts, those of the data are binomial with p/(1-p) = ratio * all_data/all_target:
    Wilson's interval for p, turned back into a ratio.
    """
    if not target:
        return None
    scale = all_target / all_data
    low, high = wilson(data, data + target)
    return scale * data / target, scale * low / (1 - low), scale * high / (1 - high)


@dataclass(frozen=True, slots=True)
class Distance:
    """A Jensen-Shannon distance with its 95 % bootstrap interval, and what chance alone stays below in 95 of 100.

    Samples make the value too large; the interval (basic bootstrap: twice the value less the resampled quantiles) is
    one for the distance of the sources, so it may end below the value.
    """

    value: float
    low: float
    high: float
    by_chance: float


def distance(data: RowNumbers, target: RowNumbers, seed: int = 0) -> Distance:
    """How far apart two histograms are: 0 when they have the same shares, 1 when no topic is in both.

    Two samples of one source differ as well; `by_chance` draws both from the pooled shares.
    """
    rng = np.random.default_rng(seed)
    d, t = int(data.sum()), int(target.sum())
    pooled = (data + target) / (d + t)
    resampled = jensen_shannon(rng.multinomial(d, data / d, DRAWS), rng.multinomial(t, target / t, DRAWS))
    same = jensen_shannon(rng.multinomial(d, pooled, DRAWS), rng.multinomial(t, pooled, DRAWS))
    value = float(jensen_shannon(data, target))
    low, high = 2 * value - np.quantile(resampled, (0.975, 0.025))
    return Distance(value, max(0.0, float(low)), min(1.0, max(0.0, float(high))), float(np.quantile(same, 0.95)))


def jensen_shannon(these: Any, those: Any) -> Any:
    """Square root of the Jensen-Shannon divergence in bits, along the last axis (Endres and Schindelin 2003)."""
    from scipy.spatial.distance import jensenshannon

    return jensenshannon(these, those, base=2, axis=-1)
