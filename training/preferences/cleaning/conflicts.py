"""Which of contradicting rows to keep, by votes.

A row is a vote of its weight: P(chosen is better) of it for its chosen answer, the rest for the rejected one. The rows
of one rater on a pair are one vote, their mean, and so are those without a rater that say the same: copies decide
nothing. Of the two answers of a pair the one with more votes wins, by a margin; equal votes decide nothing.

Winners may still form a cycle (a over b, b over c, c over a): the edges of least margin within it give way, until there
is none; where all margins are equal, votes decide nothing. Weaker majorities give way to stronger ones as in ranked
pairs (Tideman 1987), here within each strongly connected component.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from training.preferences.cleaning.state import Flags, Hashes, Numbers

# Sums of labels and weights that differ by less are equal votes.
TIE = 1e-9

Index = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Votes:
    """Rows that say something about two answers to a prompt: hashes of the texts, and P(chosen is better) by weight.

    `rater` is a number per row, 0 where none is named; without it every row has a vote of its own.
    """

    prompt: Hashes
    chosen: Hashes
    rejected: Hashes
    label: Numbers
    weight: Numbers
    rater: Index | None = None


def decide(votes: Votes) -> tuple[Flags, Flags]:
    """Rows that are outvoted, and rows about which votes decide nothing; the others can stay as they are."""
    nodes = _nodes(votes)
    sign, edges, edge_of = _edges(*nodes)
    margins = _margins(sign * (2 * votes.label - 1) * votes.weight, edge_of, len(edges), votes.rater)
    # Opposite rows are a conflict; so is one row alone only as a part of a cycle.
    tied = np.abs(margins) <= TIE
    contradicted = _says_both(sign * np.where(votes.label >= 0.5, 1, -1), edge_of, len(edges))
    removed, undecided = _break_cycles(edges, margins, ~tied)
    undecided |= tied & contradicted
    direction = sign * np.sign(2 * votes.label - 1)
    loses = direction * np.sign(margins)[edge_of] < 0
    out = (loses & contradicted[edge_of] | removed[edge_of]) & ~undecided[edge_of]
    return out, undecided[edge_of]


def _nodes(votes: Votes) -> tuple[Index, Index]:
    """Numbers for (prompt, answer), the same wherever they occur."""
    count = len(votes.prompt)
    prompts = np.concatenate([votes.prompt, votes.prompt])
    answers = np.concatenate([votes.chosen, votes.rejected])
    prompt, answer = (np.unique(hashes, return_inverse=True)[1] for hashes in (prompts, answers))
    inverse = np.unique(prompt * (int(answer.max()) + 1) + answer, return_inverse=True)[1]
    return inverse[:count], inverse[count:]


def _edges(chosen: Index, rejected: Index) -> tuple[Numbers, Index, Index]:
    """The questions asked: per row +1 or -1 (its chosen answer is the question's first or second), and which it is."""
    sign = np.where(chosen < rejected, 1.0, -1.0)
    size = int(max(chosen.max(), rejected.max())) + 1
    both, inverse = np.unique(np.minimum(chosen, rejected) * size + np.maximum(chosen, rejected), return_inverse=True)
    return sign, np.stack([both // size, both % size], axis=1), inverse


def _margins(said: Numbers, edge_of: Index, count: int, rater: Index | None) -> Numbers:
    """By how many votes the first answer of each question leads; negative where the second does."""
    if rater is None:
        return _sums(edge_of, said, count)
    # Two unnamed rows that differ may be by two people; two that agree may be one row and its copy.
    way = np.where(rater == 0, np.sign(said), 0).astype(np.int64) + 1
    keys = (edge_of * (int(rater.max(initial=0)) + 1) + rater) * 3 + way
    _, first, voice, rows = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    return _sums(edge_of[first], _sums(voice, said, len(rows)) / rows, count)


def _sums(places: Index, values: Numbers, count: int) -> Numbers:
    sums = np.zeros(count)
    np.add.at(sums, places, values)
    return sums


def _says_both(direction: Numbers, edge_of: Index, count: int) -> Flags:
    said = [np.bincount(edge_of[direction == way], minlength=count) > 0 for way in (1, -1)]
    return said[0] & said[1]


def _break_cycles(edges: Index, margins: Numbers, there: Flags) -> tuple[Flags, Flags]:
    """Edges taken out because they are the weakest of a cycle, and edges of cycles in which all are equally strong."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    there = there.copy()
    removed, undecided = np.zeros(len(edges), bool), np.zeros(len(edges), bool)
    winner = np.where(margins > 0, edges[:, 0], edges[:, 1])
    loser = np.where(margins > 0, edges[:, 1], edges[:, 0])
    nodes = int(edges.max()) + 1 if len(edges) else 0
    while there.any():
        graph = coo_array((np.ones(int(there.sum())), (winner[there], loser[there])), shape=(nodes, nodes))
        component = connected_components(graph, directed=True, connection="strong")[1]
        cyclic = there & (component[winner] == component[loser])
        if not cyclic.any():
            break
        strength, home = np.abs(margins), component[winner]
        weakest, strongest = np.full(nodes, np.inf), np.zeros(nodes)
        np.minimum.at(weakest, home[cyclic], strength[cyclic])
        np.maximum.at(strongest, home[cyclic], strength[cyclic])
        equal = cyclic & (strongest[home] - weakest[home] <= TIE)
        weak = cyclic & ~equal & (strength <= weakest[home] + TIE)
        undecided |= equal
        removed |= weak
        there &= ~(equal | weak)
    return removed, undecided
