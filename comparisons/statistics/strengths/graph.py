"""Who was compared with whom, and whether the votes have a likeliest explanation at all."""

from __future__ import annotations

import numpy as np

from comparisons.statistics.votes import Bools, Floats

from .fitting import Comparisons
from .models import Model


def compared(rows: Comparisons) -> Bools:
    """(K, K): whether any row compares the two."""
    pairs = np.zeros((rows.policies, rows.policies), dtype=bool)
    pairs[rows.left, rows.right] = pairs[rows.right, rows.left] = True
    return pairs


def reachable(edges: Bools) -> Bools:
    """(K, K): whether there is a path from row to column (or they are the same)."""
    paths: Bools = edges | np.eye(len(edges), dtype=bool)
    for middle in range(len(edges)):
        paths = paths | (paths[:, [middle]] & paths[[middle], :])
    return paths


def maximum_exists(rows: Comparisons, model: Model) -> bool:
    """Whether the likelihood has a maximum at finite strengths and a finite tie parameter.

    Ford's condition (1957) within each group of compared policies: wins and ties lead from everyone to everyone. With
    a tie parameter η this is not enough: the likelihood also rises for ever where all strengths can be set so that
    every winner is at least one step above its loser and no tie spans more than one step, since then strengths and η
    can grow together (10 wins, 1 tie, no loss). The likelihoods are log-concave, so there is no other way out.
    """
    beats = np.zeros((rows.policies, rows.policies), dtype=bool)
    won, lost, tied = rows.score == 1.0, rows.score == 0.0, rows.score == 0.5
    beats[rows.left[won], rows.right[won]] = True
    beats[rows.right[lost], rows.left[lost]] = True
    ties = np.zeros_like(beats)
    ties[rows.left[tied], rows.right[tied]] = ties[rows.right[tied], rows.left[tied]] = True
    if not (reachable(beats | ties) == reachable(compared(rows))).all():
        return False
    return not model.has_tie_parameter or _has_negative_cycle(beats, ties)


def _has_negative_cycle(beats: Bools, ties: Bools) -> bool:
    """Whether θ_loser - θ_winner ≤ -1 and, for ties, |θ_i - θ_j| ≤ 1 contradict each other (Floyd-Warshall)."""
    length: Floats = np.where(beats, -1.0, np.where(ties, 1.0, np.inf))
    for middle in range(len(length)):
        length = np.minimum(length, length[:, [middle]] + length[[middle], :])
    return bool((np.diag(length) < 0).any())
