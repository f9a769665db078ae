"""Intervals that hold for all pairs at once.

Of many intervals at 95 % some miss. For words such as "A is better than B" the critical value is that of the largest
|t| over all pairs: with 95 % chance every interval holds its truth (single-step max-t: Hothorn, Bretz & Westfall 2008).
With few clusters every pair's error is unsteady in its own way, so the errors are drawn too, from a Wishart law with
the pairs' correlation; one common error, the multivariate t of textbooks, covered 90 to 92 % with 8 raters.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import stdtr, stdtrit

from comparisons.statistics.votes import Floats

DRAWS = 40_000
AT_ONCE = 500
STEADY = 200.0
"""With more degrees of freedom errors are taken as known."""


def critical_values(covariance: Floats, freedom: Floats, level: float = 0.95) -> Floats:
    """Critical values (m,) of m estimates with correlations as in `covariance` (m, m), in their own freedom (m,).

    The largest |t| is simulated with the least freedom, which is cautious; the level that a single estimate then has is
    turned into a quantile of its own t. The draws are always the same, so results repeat.
    """
    if len(covariance) < 2:
        return np.asarray(-stdtrit(freedom, (1 - level) / 2))
    scale = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    root = vectors[:, values > 1e-9] * np.sqrt(values[values > 1e-9])
    least = float(freedom.min())
    largest = np.concatenate([block.max(axis=1) for block in _draws(root, least)])
    tail = stdtr(np.inf if least >= STEADY else least, -np.quantile(largest, level))
    return np.asarray(-stdtrit(freedom, tail))


def _draws(root: Floats, freedom: float) -> Iterator[Floats]:
    """|t| of m estimates with covariance root · rootᵀ, in blocks (some draws, m).

    Errors come from W / freedom, W a Wishart matrix by Bartlett's decomposition: normal below the diagonal, roots of
    chi-squares with freedom, freedom - 1, … on it; there is nothing on it where the freedom is used up.
    """
    chance, rank = np.random.default_rng(1), root.shape[1]
    left = freedom - np.arange(rank)
    for _ in range(DRAWS // AT_ONCE):
        estimate = np.abs(chance.standard_normal((AT_ONCE, rank)) @ root.T)
        if freedom >= STEADY:
            yield estimate
            continue
        factor = np.tril(chance.standard_normal((AT_ONCE, rank, rank)), k=-1)
        factor[:, :, left <= 0] = 0.0
        factor[:, range(rank), range(rank)] = np.sqrt(
            chance.chisquare(np.maximum(left, 1e-9), (AT_ONCE, rank)) * (left > 0)
        )
        error = np.sqrt(((root @ factor) ** 2).sum(axis=2) / freedom)
        yield estimate / error
