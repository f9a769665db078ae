"""Maximum likelihood of strengths, of weights of features and of a tie parameter, by Newton's method.

Parameters are one vector (p,): K strengths θ, F weights of features β, then η if the model has one. Strengths are known
up to a constant in each group of compared policies; the pseudo-inverse keeps every group where it started, at mean 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comparisons.statistics.votes import Floats, Ints, Votes, sums_by

from .models import Model, Terms, terms

MOST_STEPS = 200
SMALL = 1e-10


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Rows of likelihood: d = θ_left - θ_right + features·β, a score, and how much the row counts (all (n,))."""

    left: Ints
    right: Ints
    score: Floats
    weight: Floats
    policies: int
    features: Floats | None = None

    @property
    def width(self) -> int:
        """K + F."""
        return self.policies + (0 if self.features is None else self.features.shape[1])

    def margin(self, parameters: Floats) -> Floats:
        """d of every row (n,)."""
        margin = parameters[self.left] - parameters[self.right]
        return margin if self.features is None else margin + self.features @ parameters[self.policies : self.width]

    def sums(self, value: Floats) -> Floats:
        """Σ value · ∂d/∂(θ, β), (K + F,)."""
        count = self.policies
        sums = sums_by(self.left, value, count) - sums_by(self.right, value, count)
        return sums if self.features is None else np.concatenate([sums, self.features.T @ value])

    def products(self, value: Floats) -> Floats:
        """Σ value · ∂d/∂(θ, β) ∂d/∂(θ, β)ᵀ, (K + F, K + F)."""
        count = self.policies
        pair = sums_by(self.left * count + self.right, value, count * count).reshape(count, count)
        pair = pair + pair.T
        products = np.zeros((self.width, self.width))
        products[:count, :count] = np.diag(pair.sum(axis=1)) - pair
        if self.features is not None:
            weighted = self.features * value[:, None]
            products[count:, count:] = self.features.T @ weighted
            for number, column in enumerate(weighted.T, start=count):
                products[:count, number] = products[number, :count] = sums_by(self.left, column, count) - sums_by(
                    self.right, column, count
                )
        return products


def comparisons_of(votes: Votes, features: Floats | None = None) -> Comparisons:
    """One row per vote, weights with mean 1."""
    return Comparisons(votes.left, votes.right, votes.score, votes.weights, votes.policies, features)


def counted(votes: Votes) -> Comparisons:
    """Votes alike in pair and score as one row with their summed weight: at most 3 K² rows, of the same likelihood."""
    code = (votes.left * votes.policies + votes.right) * 3 + (2 * votes.score).astype(np.int64)
    weight = sums_by(code, votes.weights, 3 * votes.policies**2)
    (cells,) = weight.nonzero()
    left, right = np.divmod(cells // 3, votes.policies)
    return Comparisons(left, right, (cells % 3) / 2, weight[cells], votes.policies)


@dataclass(frozen=True, slots=True)
class Fit:
    """The maximum: parameters (p,) and minus the Hessian there (p, p), both with any penalty."""

    model: Model
    parameters: Floats
    information: Floats

    @property
    def tie(self) -> float:
        """η; 0 for a model without."""
        return float(self.parameters[-1]) if self.model.has_tie_parameter else 0.0

    @property
    def inverse(self) -> Floats:
        """(p, p): pseudo-inverse of the information."""
        return np.linalg.pinv(self.information, hermitian=True).astype(np.float64, copy=False)


def fit(rows: Comparisons, model: Model, ridge: Floats | None = None, start: Floats | None = None) -> Fit:
    """Maximise Σ weight · log-likelihood - ½ Σ ridge · parameter²; the caller sees to it that a maximum exists.

    `ridge`: (p,). Newton's step is halved until the objective does not fall.
    """
    size = rows.width + model.has_tie_parameter
    ridge = np.zeros(size) if ridge is None else ridge
    at = _start(rows, model) if start is None else start.copy()
    value, slope, information = _objective(rows, model, at, ridge)
    for _ in range(MOST_STEPS):
        step = np.linalg.pinv(information, hermitian=True) @ slope
        step *= min(1.0, 3.0 / max(float(np.abs(step).max(initial=0.0)), 1e-300))
        following = _objective(rows, model, at + step, ridge)
        while not following[0] >= value - 1e-12 * abs(value) and np.abs(step).max() > SMALL:
            step /= 2
            following = _objective(rows, model, at + step, ridge)
        at, (value, slope, information) = at + step, following
        if np.abs(step).max(initial=0.0) < SMALL:
            break
    return Fit(model, at, information)


def _start(rows: Comparisons, model: Model) -> Floats:
    """Equal strengths, no weight of features, and the η at which equals tie as often as was seen."""
    start = np.zeros(rows.width + model.has_tie_parameter)
    if model.has_tie_parameter:
        ties = float(np.clip(rows.weight[rows.score == 0.5].sum() / max(rows.weight.sum(), 1e-300), 0.01, 0.9))
        start[-1] = np.log(2 * ties / (1 - ties)) if model is Model.DAVIDSON else np.log((1 + ties) / (1 - ties))
    return start


def _objective(rows: Comparisons, model: Model, at: Floats, ridge: Floats) -> tuple[float, Floats, Floats]:
    """Penalised log-likelihood, its gradient and minus its Hessian; NaN where Rao and Kupper's η is not positive."""
    tie = float(at[-1]) if model.has_tie_parameter else 0.0
    if model is Model.RAO_KUPPER and tie <= 0:
        return np.nan, np.zeros_like(at), np.diag(np.ones_like(at))
    found = terms(model, rows.margin(at), tie, rows.score)
    value = float(rows.weight @ found.value) - float(ridge @ at**2) / 2
    return value, slopes(rows, model, found) - ridge * at, information_of(rows, model, found) + np.diag(ridge)


def slopes(rows: Comparisons, model: Model, found: Terms) -> Floats:
    """Gradient of the weighted log-likelihood (p,)."""
    sums = rows.sums(rows.weight * found.slope)
    return np.append(sums, rows.weight @ found.tie_slope) if model.has_tie_parameter else sums


def information_of(rows: Comparisons, model: Model, found: Terms) -> Floats:
    """Minus the Hessian of the weighted log-likelihood (p, p)."""
    products = rows.products(rows.weight * found.curvature)
    if not model.has_tie_parameter:
        return products
    mixed = rows.sums(rows.weight * found.mixed)[:, None]
    corner = np.array([[rows.weight @ found.tie_curvature]])
    return np.block([[products, mixed], [mixed.T, corner]])
