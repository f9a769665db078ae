"""Statistics of pairwise judgements: pure functions of plain arrays, no database and no names.

A vote compares policies `left` and `right` (indices from 0) and scores 1.0 (left preferred), 0.0 (right preferred) or
0.5 (tie). Both-bad judgements prefer nothing: callers count them, but they are no votes here.

Ties count as half a win for each side. This is the simple rule, not a model of ties (Davidson's): it keeps strengths
unbiased in order but pulls them together when ties are frequent.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from .statistics.shares import Z95, percent, wilson
from .statistics.votes import Bools, Floats, Ints, Votes

Z80 = 0.841621  # and the one that leaves 20 %: chance of missing a difference that is there
FEW_PROMPTS = 10


@dataclass(frozen=True, slots=True)
class WinMatrix:
    """(K, K) arrays: row against column. `rate` counts ties as half wins and is NaN where nobody compared."""

    wins: Ints
    ties: Ints
    votes: Ints
    rate: Floats
    low: Floats
    high: Floats


def win_matrix(votes: Votes) -> WinMatrix:
    """Who won against whom, how often, with Wilson intervals."""
    wins = np.zeros((votes.policies, votes.policies), dtype=np.int64)
    ties = np.zeros_like(wins)
    np.add.at(wins, (votes.left[votes.score == 1.0], votes.right[votes.score == 1.0]), 1)
    np.add.at(wins, (votes.right[votes.score == 0.0], votes.left[votes.score == 0.0]), 1)
    np.add.at(ties, (votes.left[votes.score == 0.5], votes.right[votes.score == 0.5]), 1)
    ties = ties + ties.T
    total = wins + wins.T + ties
    halves = wins + ties / 2
    low, high = wilson(halves, total.astype(float))
    with np.errstate(invalid="ignore"):
        return WinMatrix(wins, ties, total, halves / total, low, high)


# --- Bradley-Terry ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Strengths:
    """Bradley-Terry strengths in log-odds, centred: their mean is 0. P(i beats j) = 1 / (1 + exp(θj - θi)).

    `corrected`: some group of policies never lost (or tied) against the rest, so the maximum lies at infinity; half a
    win was added to both sides of every compared pair, and the intervals are the model's own.
    `connected`: False when some policies were never compared, not even through others; then differences between the
    groups mean nothing.
    """

    theta: Floats
    covariance: Floats
    corrected: bool
    connected: bool

    def interval(self, i: int) -> tuple[float, float]:
        """95 % interval of policy i's strength."""
        # Where the votes of every prompt cancel out, rounding may leave a variance a little below 0.
        spread = Z95 * float(np.sqrt(max(0.0, self.covariance[i, i])))
        return float(self.theta[i]) - spread, float(self.theta[i]) + spread

    def difference(self, i: int, j: int) -> tuple[float, float, float]:
        """θi - θj with its 95 % interval (value, low, high)."""
        value = float(self.theta[i] - self.theta[j])
        variance = self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j]
        spread = Z95 * float(np.sqrt(max(0.0, variance)))
        return value, value - spread, value + spread


def bradley_terry(votes: Votes) -> Strengths:
    """Maximum likelihood (Bradley & Terry 1952) with sandwich intervals clustered by prompt.

    Log-likelihood: Σ_v score·log σ(θl - θr) + (1 - score)·log σ(θr - θl), maximised under Σθ = 0. Covariance:
    H⁻ (Σ_c s_c s_cᵀ) H⁻ · C/(C-1), where s_c is the summed score vector of prompt c and C the number of prompts
    (Liang & Zeger 1986). Judgements of one prompt are alike, and an interval that ignores it is too narrow. With fewer
    than FEW_PROMPTS prompts this estimate is unsteady, and the model's own covariance H⁻ is taken where it is larger.
    """
    wins = _half_wins(votes)
    compared = wins + wins.T > 0
    connected = bool(_reachable(compared).all())
    corrected = not _maximum_exists(wins)
    theta, hessian = _fit(wins + 0.5 * compared if corrected else wins)
    inverse: Floats = np.linalg.pinv(hessian, hermitian=True).astype(np.float64)
    sandwich = inverse @ _score_products(votes, theta) @ inverse
    few = len(np.unique(votes.prompt)) < FEW_PROMPTS
    covariance: Floats = inverse if corrected or (few and inverse.trace() > sandwich.trace()) else sandwich
    return Strengths(theta, covariance, corrected, connected)


def _half_wins(votes: Votes) -> Floats:
    """(K, K): wins of row over column, ties as halves."""
    wins = np.zeros((votes.policies, votes.policies))
    np.add.at(wins, (votes.left, votes.right), votes.score)
    np.add.at(wins, (votes.right, votes.left), 1.0 - votes.score)
    return wins


def _reachable(edges: Bools) -> Bools:
    """(K, K): whether there is a path from row to column (or they are the same)."""
    paths: Bools = edges | np.eye(len(edges), dtype=bool)
    for middle in range(len(edges)):
        paths = paths | (paths[:, [middle]] & paths[[middle], :])
    return paths


def _maximum_exists(wins: Floats) -> bool:
    """Ford's condition (1957) within each group of compared policies: wins lead from everyone to everyone."""
    beats = _reachable(wins > 0)
    return bool((beats == _reachable(wins + wins.T > 0)).all())


def _fit(wins: Floats) -> tuple[Floats, Floats]:
    """Newton's method on the concave log-likelihood; returns strengths (K,) and the information matrix (K, K)."""
    count = len(wins)
    games = wins + wins.T
    theta = np.zeros(count)
    for _ in range(100):
        chance = 1.0 / (1.0 + np.exp(theta[None, :] - theta[:, None]))
        gradient = (wins - games * chance).sum(axis=1)
        weight = games * chance * (1 - chance)
        hessian = np.diag(weight.sum(axis=1)) - weight
        # The information matrix is singular along (1, …, 1); the pseudo-inverse keeps every group centred at 0.
        step = np.linalg.pinv(hessian, hermitian=True) @ gradient
        theta = theta + step * min(1.0, 3.0 / max(float(np.abs(step).max(initial=0.0)), 1e-300))
        if np.abs(step).max(initial=0.0) < 1e-10:
            break
    return theta - theta.mean() if count else theta, hessian


def _score_products(votes: Votes, theta: Floats) -> Floats:
    """Σ_c s_c s_cᵀ over prompts, with the small-sample factor C/(C-1)."""
    residual = votes.score - 1.0 / (1.0 + np.exp(theta[votes.right] - theta[votes.left]))
    _, cluster = np.unique(votes.prompt, return_inverse=True)
    count = int(cluster.max()) + 1
    scores = np.zeros((count, votes.policies))
    np.add.at(scores, (cluster, votes.left), residual)
    np.add.at(scores, (cluster, votes.right), -residual)
    return (scores.T @ scores) * (count / max(1, count - 1))


# --- In words ---------------------------------------------------------------------------------------------------------


def votes_to_decide(difference: float, error: float, votes: int) -> int | None:
    """About how many more votes let the interval of a difference exclude 0, with 80 % chance, if the difference is so.

    A standard error shrinks with the root of the votes: n = votes · ((z.975 + z.80) · error / difference)². None when
    the difference is so small that this is over 100,000.
    """
    if abs(difference) < 1e-9:
        return None
    needed = votes * ((Z95 + Z80) * error / difference) ** 2
    return max(1, ceil(needed - votes)) if needed <= 100_000 else None


def leaders(strengths: Strengths) -> tuple[int, list[int]]:
    """The strongest policy and those whose difference to it has an interval that includes 0."""
    best = int(np.argmax(strengths.theta))
    others = (j for j in range(len(strengths.theta)) if j != best)
    return best, [j for j in others if strengths.difference(best, j)[1] <= 0]


def verdict(votes: Votes, names: list[str]) -> str:
    """Who won, in a sentence or two; or that the votes cannot tell yet, and about how many more might."""
    if not len(votes):
        return "No judgement prefers an answer, so there is nothing to compare yet."
    strengths, matrix = bradley_terry(votes), win_matrix(votes)
    if not strengths.connected:
        return "Some policies were never compared, not even through others, so there is no common ranking."
    told = _two_way(strengths, matrix, names) if len(names) == 2 else _ranking(strengths, matrix, names)
    best, rivals = leaders(strengths)
    return f"{told} {_more(strengths, best, rivals, len(votes))}" if rivals else told


def _two_way(strengths: Strengths, matrix: WinMatrix, names: list[str]) -> str:
    best, rivals = leaders(strengths)
    _, low, high = strengths.difference(best, 1 - best)
    interval = f"[{100 * _chance(low):.0f}, {100 * _chance(high):.0f}]"
    figures = f"{percent(float(matrix.rate[best, 1 - best]))} {interval} of {int(matrix.votes[0, 1]):,} comparisons"
    if rivals:
        return f"The votes cannot tell {names[0]} from {names[1]} yet: {names[best]} is preferred in {figures}."
    return f"{names[best]} is preferred to {names[1 - best]} in {figures}."


def _ranking(strengths: Strengths, matrix: WinMatrix, names: list[str]) -> str:
    best, rivals = leaders(strengths)
    beaten = [j for j in range(len(names)) if j not in {best, *rivals}]
    if not rivals:
        return f"{names[best]} is preferred to every other policy: {_rates(matrix, best, beaten, names)}."
    told = f"{names[best]} leads, but the votes cannot tell it from {_listed([names[j] for j in rivals])} yet."
    return f"{told} It is preferred to {_rates(matrix, best, beaten, names)}." if beaten else told


def _rates(matrix: WinMatrix, best: int, others: list[int], names: list[str]) -> str:
    direct = [j for j in others if matrix.votes[best, j]]
    rates = [f"{names[j]} ({percent(float(matrix.rate[best, j]))} of {int(matrix.votes[best, j]):,})" for j in direct]
    return _listed(rates + [f"{names[j]} (through others)" for j in others if j not in direct])


def _more(strengths: Strengths, best: int, rivals: list[int], votes: int) -> str:
    """How far the nearest rival is from being told apart."""
    nearest = max(rivals, key=lambda j: float(strengths.theta[j]))
    difference, low, high = strengths.difference(best, nearest)
    more = votes_to_decide(difference, (high - low) / (2 * Z95), votes)
    if more is None:
        return "They are so close that more votes will hardly tell them apart."
    return f"If it stays so, about {_rounded(more):,} more votes like these would decide it."


def _chance(log_odds: float) -> float:
    return float(1.0 / (1.0 + np.exp(-log_odds)))


def _rounded(number: int) -> int:
    """Two leading digits: an estimate should not look like a count."""
    step = int(10 ** max(0, len(str(number)) - 2))
    return ceil(number / step) * step


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
