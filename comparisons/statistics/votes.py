"""Votes as arrays: who was compared, what was said, by whom and on which prompt.

A vote compares policies `left` and `right` (indices from 0) and scores 1.0 (left preferred), 0.0 (right preferred) or
0.5 (tie). Both-bad judgements prefer nothing: callers count them, but they are no votes here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Votes:
    """Arrays of one length n. Ids of raters and prompts are any integers.

    `weight`: how much a vote counts, as a rule 1 / the probability with which its pair was drawn; positive. None: all
    count the same.
    """

    left: Ints
    right: Ints
    score: Floats
    rater: Ints
    prompt: Ints
    policies: int
    weight: Floats | None = None

    def __post_init__(self) -> None:
        for name in ("left", "right", "rater", "prompt", "weight"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.score):
                raise ValueError(
                    f"There must be one entry per vote: {len(self.score)} scores, {len(column)} of {name}."
                )
        if not np.isin(self.score, (0.0, 0.5, 1.0)).all():
            raise ValueError("A score must be 0 (right preferred), 0.5 (tie) or 1 (left preferred).")
        if (self.left == self.right).any():
            raise ValueError("A vote must compare two different policies.")
        if self.weight is not None and not ((self.weight > 0) & np.isfinite(self.weight)).all():
            raise ValueError("A weight must be a positive number.")

    def __len__(self) -> int:
        return len(self.score)

    @property
    def weights(self) -> Floats:
        """(n,): weights with mean 1, so that their sum is the number of votes."""
        return np.ones(len(self)) if self.weight is None or not len(self) else self.weight / self.weight.mean()

    def where(self, chosen: Bools) -> Votes:
        """The chosen votes, of as many policies."""
        columns = (column.name for column in fields(self) if getattr(self, column.name) is not None)
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns if name != "policies"})


def sums_by(code: Ints, value: Floats, count: int) -> Floats:
    """Σ value of each code 0 … count - 1, (count,)."""
    return np.bincount(code, value, count).astype(np.float64, copy=False)
