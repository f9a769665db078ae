"""How much of an evaluation prompt stands in a training prompt: the same words, long runs of them, or nearly all.

Runs of eight words as in Tülu 3's decontamination (Lambert et al. 2024, 3.2): a training prompt leaks an evaluation
prompt when runs that both have cover more than half of the evaluation prompt's words. A run that many prompts of a set
share is their template and shows nothing (GPT-3 leaves out what occurs more than ten times: Brown et al. 2020, C).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.preferences.checks.shingles import (
    BANDS,
    Hashes,
    Numbers,
    Shares,
    ShingleSets,
    Words,
    bands_of,
    mixed,
    sets_of,
    shingles_of,
    similarities,
    words_of,
)

RUN_WORDS = 8
"""Also the fewest words from which a prompt is compared by more than its whole text."""
COVERED = 0.5
SIMILAR = 0.8
TEMPLATE, TEMPLATE_SHARE = 10, 0.01
"""A run is a template when more prompts than this, and more than this share of the set, have it."""
MATCHES_AT_ONCE = 1_000_000

Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Overlap:
    """For each text the largest share that it has in common with a prompt of the set, and whether it leaks one.

    `leaked` are the numbers of the set's prompts that some text leaks.
    """

    largest: Shares
    is_leak: Flags
    leaked: Numbers


@dataclass(frozen=True, slots=True)
class Matches:
    """Texts with prompts of the set, what they have in common in [0, 1], and whether that is a leak."""

    texts: Numbers
    prompts: Numbers
    shares: Shares
    is_leak: Flags


class PromptIndex:
    """At most shingles.MOST_TEXTS prompts of an evaluation set, to be compared with batches of training prompts."""

    def __init__(self, prompts: Sequence[str]) -> None:
        self.words = words_of(prompts)
        worded = np.flatnonzero(self.words.counts)
        self.wholes = Lookup(wholes_of(self.words)[worded], worded)
        self.owners, self.places, runs = shingles_of(self.words, RUN_WORDS, shorter=False)
        telling = np.flatnonzero(~_is_template(self.owners, runs, len(prompts)))
        self.runs = Lookup(runs[telling], telling)
        self.sets = _long_sets(self.words)
        full, bands = np.flatnonzero(self.sets.sizes), bands_of(self.sets)
        self.bands = [Lookup(bands[full, band], full) for band in range(BANDS)]

    @property
    def size(self) -> int:
        return len(self.words.counts)

    def overlap(self, words: Words) -> Overlap:
        """Of each of at most shingles.MOST_TEXTS texts."""
        count = len(words.counts)
        largest, is_leak, leaked = np.zeros(count), np.zeros(count, bool), np.zeros(self.size, bool)
        for compare in (self._equal, self._covering, self._similar):
            for found in compare(words):
                np.maximum.at(largest, found.texts, found.shares)
                is_leak[found.texts[found.is_leak]] = True
                leaked[found.prompts[found.is_leak]] = True
        return Overlap(largest, is_leak, np.flatnonzero(leaked))

    def _equal(self, words: Words) -> Iterator[Matches]:
        worded = np.flatnonzero(words.counts)
        for texts, prompts in self.wholes.matches(wholes_of(words)[worded], worded):
            yield Matches(texts, prompts, np.ones(len(texts)), np.ones(len(texts), bool))

    def _covering(self, words: Words) -> Iterator[Matches]:
        texts, _, runs = shingles_of(words, RUN_WORDS, shorter=False)
        for owners, found in self.runs.matches(runs, texts):
            # Runs are numbered in the order of prompts and places, so a text's runs of one prompt stand together.
            pairs = np.unique(np.stack([owners, found]), axis=1)
            text, prompt, place = pairs[0], self.owners[pairs[1]], self.places[pairs[1]]
            is_first = np.concatenate([[True], (text[1:] != text[:-1]) | (prompt[1:] != prompt[:-1])])
            new = np.where(is_first, RUN_WORDS, np.minimum(np.diff(place, prepend=0), RUN_WORDS))
            first = np.flatnonzero(is_first)
            shares = np.add.reduceat(new, first) / self.words.counts[prompt[first]]
            yield Matches(text[first], prompt[first], shares, shares > COVERED)

    def _similar(self, words: Words) -> Iterator[Matches]:
        sets = _long_sets(words)
        full, bands = np.flatnonzero(sets.sizes), bands_of(sets)
        both = ShingleSets(
            np.concatenate([sets.shingles, self.sets.shingles]),
            np.concatenate([sets.starts, self.sets.starts[1:] + sets.starts[-1]]),
        )
        for band, lookup in enumerate(self.bands):
            for texts, prompts in lookup.matches(bands[full, band], full):
                shares = similarities(both, texts, prompts + len(sets.sizes))
                yield Matches(texts, prompts, shares, shares >= SIMILAR)


class Lookup:
    """Finds the numbers that stand under a key."""

    def __init__(self, keys: np.ndarray[Any, Any], numbers: Numbers) -> None:
        order = np.argsort(keys, kind="stable")
        self.keys, self.numbers = keys[order], numbers[order]

    def matches(self, keys: np.ndarray[Any, Any], owners: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
        """Owners of the keys (ascending) with the numbers under them, about MATCHES_AT_ONCE at a time; what one owner
        finds is never divided."""
        low = np.searchsorted(self.keys, keys, "left")
        counts = np.searchsorted(self.keys, keys, "right") - low
        hits = np.flatnonzero(counts)
        low, counts, owners = low[hits], counts[hits], owners[hits]
        part = (np.cumsum(counts) - counts) // MATCHES_AT_ONCE
        part = part[np.searchsorted(owners, owners)]  # that of the owner's first key
        for one in np.unique(part):
            here = np.flatnonzero(part == one)
            size = counts[here]
            within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
            yield np.repeat(owners[here], size), self.numbers[np.repeat(low[here], size) + within]


def wholes_of(words: Words) -> Hashes:
    """A hash of each text's words in their order."""
    owners, starts = np.repeat(np.arange(len(words.counts)), words.counts), words.starts
    places = (np.arange(len(words.hashes)) - starts[owners]).astype(np.uint64)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed(words.hashes + mixed(places)))])
    return mixed(sums[starts[1:]] - sums[starts[:-1]])


def _is_template(owners: Numbers, runs: Hashes, prompts: int) -> Flags:
    """Whether so many prompts have a run that it says nothing about any of them."""
    _, places = np.unique(runs, return_inverse=True)
    once = np.unique(np.stack([places, owners]), axis=1)
    frequency = np.bincount(once[0], minlength=1)
    return frequency[places] > max(TEMPLATE, TEMPLATE_SHARE * prompts)


def _long_sets(words: Words) -> ShingleSets:
    """The shingles of texts of RUN_WORDS words or more; the others' sets are empty."""
    owners, _, shingles = shingles_of(words)
    is_long = words.counts[owners] >= RUN_WORDS
    return sets_of(owners[is_long], shingles[is_long], len(words.counts))
