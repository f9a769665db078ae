"""Most votes win, every rater counting the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comparisons.statistics.votes import Bools, Floats, Ints

from .labels import UNDECIDED, Labels, most_likely, vote_shares


@dataclass(frozen=True, slots=True)
class Majority:
    """`shares` (I, C) of each item's votes; `label` (I,): the class with most, UNDECIDED on a tie; `votes` (I,)."""

    shares: Floats
    label: Ints
    votes: Ints

    @property
    def tied(self) -> Bools:
        """(I,): whether no class has more votes than every other."""
        tied: Bools = self.label == UNDECIDED
        return tied


def majority(labels: Labels) -> Majority:
    """The vote of every item; a tie is said to be one, and decided by nobody."""
    shares = vote_shares(labels)
    return Majority(shares, most_likely(shares), np.bincount(labels.item, minlength=labels.items))
