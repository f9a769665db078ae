"""Train or held out, decided by the prompt alone, so that no prompt is ever in both.

A prompt's position in [0, 2^64) is a hash of its text; rows below the cut are held out. The same prompt
falls on the same side in every version with the same share, so a child version does not leak the
held-out prompts of its parent into training. Cleaning may also draw the sides by whole clusters of prompts.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np

from training.preferences.records import Conversation

TRAIN = "train"
HELD_OUT = "held_out"
DEFAULT_SHARE = 0.1
SPACE = 2**64


def position(prompt: Conversation) -> int:
    """Where a prompt lies in [0, 2^64). Case and white space do not count: such prompts ask the same."""
    turns = [f"{message.role}:{' '.join(message.content.split()).casefold()}" for message in prompt]
    return int.from_bytes(blake2b("\n".join(turns).encode(), digest_size=8).digest())


class PromptSplit:
    """Assigns prompts to splits; `share` of all prompts is expected to be held out (0: none is)."""

    def __init__(self, share: float = DEFAULT_SHARE, cut: int | None = None) -> None:
        if not 0 <= share <= 0.5:
            raise ValueError(f"The held-out share must lie between 0 and 0.5, found {share}.")
        self.share = share
        self.cut = int(share * SPACE) if cut is None else cut
        self.lowest = SPACE
        self.highest = -1

    def assign(self, prompt: Conversation) -> str:
        """The split of a prompt; remembers the extremes seen."""
        place = position(prompt)
        if place < self.lowest:
            self.lowest = place
        if place > self.highest:
            self.highest = place
        return HELD_OUT if place < self.cut else TRAIN

    def corrected(self) -> PromptSplit | None:
        """The split to use instead when chance left a side empty; None when this one can stay.

        With few prompts the hash may put all of them on one side. The outermost one is moved then,
        which keeps the choice independent of row order. A single prompt goes to training.
        """
        if 0 <= self.highest < self.cut:
            return PromptSplit(self.share, cut=self.highest)
        if self.share > 0 and self.cut <= self.lowest < self.highest:
            return PromptSplit(self.share, cut=self.lowest + 1)
        return None


def held_out_groups(
    prompts: np.ndarray[Any, np.dtype[np.uint64]],
    clusters: np.ndarray[Any, np.dtype[np.int64]],
    counted: np.ndarray[Any, np.dtype[np.bool_]],
    share: float,
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows to hold out so that all prompts of a cluster, and all rows of a prompt, are on one side.

    `prompts` holds `position` of each row's prompt, `clusters` its cluster (-1: none). Clusters that share a prompt
    count as one. They are taken in the order of a hash of their lowest prompt, which does not depend on the order of
    rows, as long as they fit into `share` of the rows that are `counted`. Where none fits, the smallest is held out,
    if there are two.
    """
    group = _joined(prompts, clusters)
    sizes = np.bincount(group, weights=counted)
    lowest = np.full(len(sizes), SPACE - 1, np.uint64)
    np.minimum.at(lowest, group, prompts)
    wanted = share * counted.sum()
    chosen = np.zeros(len(sizes), bool)
    taken = 0.0
    for number in np.argsort(_mixed(lowest), kind="stable").tolist():
        if sizes[number] > 0 and taken + sizes[number] <= wanted:
            chosen[number] = True
            taken += sizes[number]
    there = np.flatnonzero(sizes)
    if share > 0 and not chosen.any() and len(there) > 1:
        chosen[there[np.lexsort((lowest[there], sizes[there]))[0]]] = True
    held_out: np.ndarray[Any, np.dtype[np.bool_]] = chosen[group]
    return held_out


def _joined(
    prompts: np.ndarray[Any, np.dtype[np.uint64]], clusters: np.ndarray[Any, np.dtype[np.int64]]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A number per row, equal for rows linked by prompts or clusters."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    unique, prompt = np.unique(prompts, return_inverse=True)
    clustered = clusters >= 0
    names, cluster = np.unique(clusters[clustered], return_inverse=True)
    size = len(unique) + len(names)
    links = (np.ones(len(cluster)), (prompt[clustered], len(unique) + cluster))
    component = connected_components(coo_array(links, shape=(size, size)), directed=False)[1]
    joined: np.ndarray[Any, np.dtype[np.int64]] = component[prompt].astype(np.int64)
    return joined


def _mixed(values: np.ndarray[Any, np.dtype[np.uint64]]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """SplitMix64's finaliser (Steele et al. 2014): lowest positions of large clusters are small, their mix is not."""
    values = values.copy()
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


class KeptSplit(PromptSplit):
    """Leaves prompts where another version has them; new ones are assigned by their hash."""

    def __init__(
        self, places: np.ndarray[Any, np.dtype[np.uint64]], held_out: np.ndarray[Any, np.dtype[np.bool_]], share: float
    ) -> None:
        """`places` are positions of prompts that have a side, `held_out` which; `share` of others is held out."""
        super().__init__(share)
        self.places, first = np.unique(places, return_index=True)
        self.sides = held_out[first]

    def assign(self, prompt: Conversation) -> str:
        place = position(prompt)
        index = int(np.searchsorted(self.places, np.uint64(place)))
        if index < len(self.places) and int(self.places[index]) == place:
            return HELD_OUT if self.sides[index] else TRAIN
        return HELD_OUT if place < self.cut else TRAIN

    def corrected(self) -> None:
        """What is held out was decided before."""
        return
