"""Votes that belong together, and errors that know it.

Votes of one rater are alike, and so are votes on one prompt. The variance of an estimate is taken clustered both ways
(Cameron, Gelbach & Miller 2011): V = V_rater + V_prompt - V_both, the last by rater and prompt at once. With few or
unequal clusters V_rater and V_prompt come out too small and unsteady. As Bell & McCaffrey (2002) and Imbens & Kolesár
(2016) do, each is divided by its expectation, and Student's t stands in for the normal law with Satterthwaite's degrees
of freedom, both under a working model: independent votes and one random effect per cluster, in the proportion in which
the data show them. `make bench-rating` measures the coverage; docs/DECISIONS.md says what else was tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from comparisons.statistics.votes import Floats, Ints, Votes, sums_by

from .fitting import Comparisons, Fit
from .models import terms

FEWEST = 5
"""With fewer raters (or prompts) nothing is said about others: they are taken as they are, and the result says so."""
LEAST = 0.25
"""V is at least this share of V_both: V_rater and V_prompt may by chance nearly cancel it, down to below 0."""
AT_ONCE = 4096
CLOSE = 8


@dataclass(frozen=True, slots=True)
class Clusters:
    """Codes (n,) from 0 of the cluster of each vote, and how many clusters there are."""

    code: Ints
    count: int


def clusters_of(ids: Ints) -> Clusters:
    """Clusters from any integer ids, in their order; counted where ids lie close together, which beats sorting."""
    least, most = (int(ids.min()), int(ids.max())) if len(ids) else (0, 0)
    if most - least > CLOSE * len(ids) + 1000:
        found, code = np.unique(ids, return_inverse=True)
        return Clusters(code.astype(np.int64), len(found))
    present = np.zeros(most - least + 1, dtype=bool)
    present[ids - least] = True
    return Clusters((np.cumsum(present) - 1)[ids - least], int(present.sum()))


@dataclass(frozen=True, slots=True)
class Grouping:
    """The ways in which votes are clustered: by rater, by prompt, by both at once; or each vote for itself."""

    ways: tuple[Clusters, ...]
    both: Clusters | None
    raters: int
    prompts: int


def grouping_of(votes: Votes) -> Grouping:
    """By rater and by prompt, where there are enough of them to speak about others like them."""
    rater, prompt = clusters_of(votes.rater), clusters_of(votes.prompt)
    ways = tuple(way for way in (rater, prompt) if way.count >= FEWEST)
    both = clusters_of(rater.code * prompt.count + prompt.code) if len(ways) == 2 else None
    each = Clusters(np.arange(len(votes)), len(votes))
    return Grouping(ways or (each,), both, rater.count, prompt.count)


@dataclass(frozen=True, slots=True)
class Pull:
    """What each vote does at the maximum: its score vector and the information it brings, all weighted, (n,) each.

    A vote touches the strengths of its two sides and q further parameters that all votes share: weights of features,
    then η. `slope`, `curvature`, `mixed`, `tie_slope` and `tie_curvature` are derivatives by margin d and η.
    """

    rows: Comparisons
    has_tie_parameter: bool
    slope: Floats
    curvature: Floats
    mixed: Floats
    tie_slope: Floats
    tie_curvature: Floats

    @property
    def features(self) -> int:
        return self.rows.width - self.rows.policies

    @property
    def size(self) -> int:
        """Number of parameters p."""
        return self.rows.width + self.has_tie_parameter

    def feature(self, number: int) -> Floats:
        """Column `number` of the features (n,)."""
        assert self.rows.features is not None
        column: Floats = self.rows.features[:, number]
        return column

    def shared(self, number: int) -> Floats:
        """Score of shared parameter `number` (n,)."""
        return self.slope * self.feature(number) if number < self.features else self.tie_slope

    def cross(self, number: int) -> Floats:
        """Information between the margin and a shared parameter."""
        return self.curvature * self.feature(number) if number < self.features else self.mixed

    def corner(self, one: int, other: int) -> Floats:
        """Information between two shared parameters, one ≤ other."""
        if one < self.features:
            return self.cross(other) * self.feature(one)
        return self.tie_curvature


def pull_of(rows: Comparisons, fit: Fit) -> Pull:
    """The votes' scores and information at a fit."""
    found = terms(fit.model, rows.margin(fit.parameters), fit.tie, rows.score)
    columns = found.slope, found.curvature, found.mixed, found.tie_slope, found.tie_curvature
    return Pull(rows, fit.model.has_tie_parameter, *(rows.weight * column for column in columns))


def scores_by_cluster(pull: Pull, clusters: Clusters) -> sparse.csr_array:
    """(clusters, p): summed score vectors; sparse, since a cluster of few votes touches few policies."""
    count = pull.rows.policies
    columns = [pull.rows.left, pull.rows.right]
    columns += [np.full(len(pull.slope), number) for number in range(count, pull.size)]
    values = [pull.slope, -pull.slope, *(pull.shared(number) for number in range(pull.size - count))]
    places = np.tile(clusters.code, len(columns)), np.concatenate(columns)
    return sparse.csr_array((np.concatenate(values), places), shape=(clusters.count, pull.size))


def information_shares(pull: Pull, clusters: Clusters, directions: Floats) -> Iterator[Floats]:
    """bᵀ H_g b / Σ_g bᵀ H_g b for directions b (m, p), H_g a cluster's information, in blocks of (some clusters, m)."""
    count, further = pull.rows.policies, range(pull.size - pull.rows.policies)
    gap = (directions[:, :count, None] - directions[:, None, :count]).reshape(len(directions), -1).T
    rest = directions[:, count:].T
    by_pair = [(_by_pair(pull, clusters, pull.curvature), gap**2)]
    by_pair += [(_by_pair(pull, clusters, pull.cross(number)), 2 * gap * rest[number]) for number in further]
    corners = [
        (
            sums_by(clusters.code, pull.corner(one, other), clusters.count),
            (1 + (one < other)) * rest[one] * rest[other],
        )
        for one in further
        for other in further[one:]
    ]
    total = sum(table.sum(axis=0) @ factor for table, factor in by_pair)
    total = np.maximum(total + sum(table.sum() * factor for table, factor in corners), 1e-300)
    for start in range(0, clusters.count, AT_ONCE):
        some = slice(start, start + AT_ONCE)
        block = sum(table[some] @ factor for table, factor in by_pair)
        yield (block + sum(np.outer(table[some], factor) for table, factor in corners)) / total


def _by_pair(pull: Pull, clusters: Clusters, value: Floats) -> sparse.csr_array:
    """(clusters, K²): `value` summed by cluster and ordered pair."""
    count = pull.rows.policies
    places = clusters.code, pull.rows.left * count + pull.rows.right
    return sparse.csr_array((value, places), shape=(clusters.count, count * count))


@dataclass(frozen=True, slots=True)
class Errors:
    """Standard errors (m,) of m estimates and the degrees of freedom (m,) of Student's t for their intervals."""

    error: Floats
    freedom: Floats


@dataclass(frozen=True, slots=True)
class Scatter:
    """Σ_g s_g s_gᵀ (p, p) of the clusters' summed scores s_g, for each way of a grouping and for both at once."""

    grouping: Grouping
    ways: tuple[Floats, ...]
    both: Floats | None


def scatter_of(pull: Pull, grouping: Grouping) -> Scatter:
    """How much the clusters' scores differ from what the model expects, way by way."""
    products = (scores_by_cluster(pull, way) for way in (*grouping.ways, *([grouping.both] if grouping.both else [])))
    ways = tuple((scores.T @ scores).toarray() for scores in products)
    return Scatter(grouping, ways[: len(grouping.ways)], ways[-1] if grouping.both else None)


def contrast_errors(pull: Pull, scatter: Scatter, directions: Floats) -> Errors:
    """Errors of m estimates that move by directions · score of a vote; directions (m, p) are contrasts · inverse."""
    raw = [_quadratic(way, directions) for way in scatter.ways]
    ways = scatter.grouping.ways
    moments = [information_moments(pull, way, directions) for way in ways]
    return combined(raw, moments, None if scatter.both is None else _quadratic(scatter.both, directions))


def _quadratic(products: Floats, directions: Floats) -> Floats:
    """bᵀ M b of each direction b, (m,)."""
    values: Floats = np.einsum("mi,ij,mj->m", directions, products, directions, optimize=True)
    return np.maximum(0.0, values)


def clustered_covariance(scatter: Scatter, directions: Floats) -> Floats:
    """Covariance (m, m) of estimates that move by directions · score, positive semidefinite.

    V_rater and V_prompt with the factor G / (G - 1), less V_both; negative eigenvalues are set to 0, as Cameron,
    Gelbach & Miller do.
    """
    pairs = zip(scatter.ways, scatter.grouping.ways, strict=True)
    products = sum(way * (clusters.count / max(1, clusters.count - 1)) for way, clusters in pairs)
    if scatter.both is not None:
        products = products - scatter.both
    values, vectors = np.linalg.eigh(directions @ products @ directions.T)
    covariance: Floats = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return covariance


def combined(raw: Sequence[Floats], moments: Sequence[Floats], both: Floats | None) -> Errors:
    """The working model's corrections and the sum of the ways.

    `raw`: for each way Σ_g (influence of g)² of m estimates; `moments`: for each way Σ_g share^k, k = 2 … 5, (4, m);
    `both`: `raw` by rater and prompt at once.
    """
    single = raw[0] if both is None else both
    ways = [_corrected(variance, single, sums) for variance, sums in zip(raw, moments, strict=True)]
    variances, freedoms = [way[0] for way in ways], [way[1] for way in ways]
    total = sum(variances) - (0.0 if both is None else both)
    spread = sum(variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True))
    freedom = np.maximum(np.maximum(total, 0.0) ** 2 / np.maximum(spread, 1e-300), np.min(freedoms, axis=0))
    return Errors(np.sqrt(np.maximum(total, LEAST * single)), np.maximum(freedom, 1.0))


def _corrected(raw: Floats, single: Floats, sums: Floats) -> tuple[Floats, Floats]:
    """A way's variance over its expected share, and its degrees of freedom.

    ψ_g, the influence of cluster g, is independent with variance D_g = a w_g + e w_g², w_g its share of the
    information: independent votes and one random effect. Estimation takes w_g Σψ off each ψ_g, so that what is seen is
    ψ̂ = (I - w1ᵀ) ψ with covariance Q = (I - w1ᵀ) D (I - 1wᵀ); then E Σψ̂² = tr Q against the true Σ D_g, and
    Satterthwaite's degrees are (tr Q)² / tr Q².
    """
    s2, s3, s4, s5 = np.maximum(sums, 1e-300)
    # Where nothing varies at all only proportions count, and the votes pass for independent.
    a, excess = np.where((raw > 0) | (single > 0), single, 1.0), np.maximum(raw - single, 0.0)
    e = excess / s2
    true = np.maximum(a + excess, 1e-300)  # Σ D
    squares = a * a * s2 + 2 * a * e * s3 + e * e * s4  # Σ D²
    met = a * s2 + e * s3  # Σ w D
    trace = true - 2 * met + s2 * true
    twice = true * (a * s3 + e * s4) - 2 * (a * a * s3 + 2 * a * e * s4 + e * e * s5)  # Σ D (true w² - 2 w D)
    product = squares + 2 * twice + 2 * s2 * squares + 2 * met**2 + true**2 * s2**2 - 4 * true * s2 * met
    bias = np.maximum(trace / true, 0.05)
    return raw / bias, np.maximum(trace**2 / np.maximum(product, 1e-300), 1.0)


def information_moments(pull: Pull, clusters: Clusters, directions: Floats) -> Floats:
    """Σ_g share^k, k = 2 … 5, of the clusters' shares of the information on each direction, (4, m)."""
    return power_sums(information_shares(pull, clusters, directions), len(directions))


def power_sums(blocks: Iterator[Floats], count: int) -> Floats:
    """Σ_g share^k for k = 2 … 5 of blocks (some clusters, m), (4, m)."""
    sums = np.zeros((4, count))
    for block in blocks:
        power = block
        for number in range(4):
            power = power * block
            sums[number] += power.sum(axis=0)
    return sums
