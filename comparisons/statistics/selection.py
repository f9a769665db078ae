"""Which pair of policies to compare next, as chances that are stored with every vote drawn by them.

A vote weighs 1 / its chance (Votes.weight), so that estimates are those of an even draw. Every rule but the even one is
mixed with at least EVEN of it: no pair is forgotten, weights stay bounded, and the fit is not bent towards the pairs
that the rule likes.
"""

from __future__ import annotations

import numpy as np

from .votes import Floats, Ints, Votes

EVEN = 0.3
IMAGINED = 0.25
"""Variance of the one vote that every pair is given beforehand: of a single vote without ties at even strengths."""


def pairs_of(policies: int) -> tuple[Ints, Ints]:
    """All pairs i < j, in the order of every array (m,) here."""
    i, j = np.triu_indices(policies, 1)
    return i.astype(np.int64), j.astype(np.int64)


def pair_counts(votes: Votes) -> tuple[Ints, Floats]:
    """Votes of each pair and the variance of one of its votes, (m,) each, with one imagined vote in the variance."""
    low, high = np.minimum(votes.left, votes.right), np.maximum(votes.left, votes.right)
    score = np.where(votes.left < votes.right, votes.score, 1 - votes.score)
    shape, (i, j) = (votes.policies, votes.policies), pairs_of(votes.policies)
    count, total, squares = np.zeros(shape, dtype=np.int64), np.zeros(shape), np.zeros(shape)
    np.add.at(count, (low, high), 1)
    np.add.at(total, (low, high), score)
    np.add.at(squares, (low, high), score**2)
    mean = total / np.maximum(count, 1)
    variance = (squares - count * mean**2 + IMAGINED) / (count + 1)
    return count[i, j], variance[i, j]


def uniform(pairs: int) -> Floats:
    """Every pair with the same chance, (m,)."""
    return np.full(pairs, 1 / pairs)


def balanced(count: Ints, coming: int, even: float = EVEN) -> Floats:
    """Chances (m,) that make up for what a pair lacks of an equal share after `coming` more votes."""
    lacking = np.maximum(0.0, (count.sum() + coming) / len(count) - count)
    return _mixed(lacking, even)


def informed(count: Ints, variance: Floats, even: float = EVEN) -> Floats:
    """Chances (m,) in proportion to how much one more vote narrows a pair's rate (Chiang et al. 2024, Chatbot Arena).

    √(Σ/n) - √(Σ/(n + 1)), with Σ the variance of the pair's votes and n their number, one imagined vote included.
    """
    seen = count + 1
    return _mixed(np.sqrt(variance / seen) - np.sqrt(variance / (seen + 1)), even)


def _mixed(gain: Floats, even: float) -> Floats:
    """Chances in proportion to the gain, mixed with an even draw."""
    if not EVEN <= even <= 1:
        raise ValueError(f"At least {EVEN:.0%} of the draws must be even, not {even:.0%}.")
    total = gain.sum()
    told = gain / total if total > 0 else uniform(len(gain))
    mixed: Floats = even * uniform(len(gain)) + (1 - even) * told
    return mixed


def draw(chances: Floats, number: int, chance: np.random.Generator) -> Ints:
    """`number` pairs, independently, by their chances; (number,) of places in `pairs_of`."""
    return chance.choice(len(chances), size=number, p=chances).astype(np.int64)


def weights(propensity: Floats) -> Floats:
    """1 / propensity with mean 1, for `Votes.weight`."""
    inverse: Floats = 1 / propensity
    mean_one: Floats = inverse / inverse.mean()
    return mean_one
