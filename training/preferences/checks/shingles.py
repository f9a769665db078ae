"""Texts as sets of word shingles, hashed in batches by numpy, and their MinHash bands.

A word is a run of anything but white space and punctuation, in lower case; in scripts without spaces every character is
a word. A shingle is five words in a row; a text of fewer words is one shingle, all of it, so that short texts are alike
only when they say the same: there a single word often is the whole content. Word and shingle hashes are 64 and 50 bits:
two sets of a thousand shingles are confused in one shingle once in a billion comparisons.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import IO, Any

import numpy as np

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]
Shares = np.ndarray[Any, np.dtype[np.float64]]

SHINGLE_WORDS = 5
SHINGLE_BITS = 50
MOST_TEXTS = 2 ** (63 - SHINGLE_BITS)
"""Texts in a batch: owner and shingle are sorted as one 63-bit number."""

SEPARATORS = r"[\s\p{Z}\p{P}`]+"
WITHOUT_SPACES = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"

BANDS, BAND_ROWS = 21, 6
"""A pair of Jaccard similarity s shares a band with probability 1 - (1 - s^6)^21: 0.998 at 0.8, 0.28 at 0.5, 0.001 at
0.2 (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4)."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHINGLE_MASK = (1 << SHINGLE_BITS) - 1
_ROWS_AT_ONCE = 256  # whose shingles stay in the processor's cache while all permutations pass over them


@dataclass(frozen=True, slots=True)
class Words:
    """The words of some texts: those of text i are hashes[starts[i]:starts[i + 1]]."""

    hashes: Hashes
    starts: Numbers

    @property
    def counts(self) -> Numbers:
        return np.diff(self.starts)


@dataclass(frozen=True, slots=True)
class ShingleSets:
    """Sets of shingles, each ascending: set i is shingles[starts[i]:starts[i + 1]]."""

    shingles: Numbers
    starts: Numbers

    @property
    def sizes(self) -> Numbers:
        return np.diff(self.starts)

    def pick(self, rows: Numbers) -> ShingleSets:
        """The sets with these numbers."""
        starts = np.concatenate([[0], np.cumsum(self.sizes[rows])])
        members = np.repeat(self.starts[rows] - starts[:-1], self.sizes[rows]) + np.arange(starts[-1])
        return ShingleSets(self.shingles[members], starts)


@dataclass(frozen=True, slots=True)
class SpilledSets:
    """Shingle sets whose shingles stand in a file one after the other: a million rows have a gigabyte of them."""

    file: IO[bytes]
    starts: Numbers

    @property
    def sizes(self) -> Numbers:
        return np.diff(self.starts)

    def pick(self, rows: Numbers) -> ShingleSets:
        """The sets with these numbers, read from the file."""
        width, descriptor = self.starts.itemsize, self.file.fileno()
        bounds = zip((self.starts[rows] * width).tolist(), (self.sizes[rows] * width).tolist(), strict=True)
        content = b"".join(os.pread(descriptor, size, start) for start, size in bounds)
        return ShingleSets(np.frombuffer(content, np.int64), np.concatenate([[0], np.cumsum(self.sizes[rows])]))


def words_of(texts: Sequence[str | None]) -> Words:
    """The words of each text; None has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lowered = pc.utf8_lower(pc.fill_null(pa.array(texts, pa.large_string()), ""))
    if not pc.all(pc.string_is_ascii(lowered)).as_py():
        spaced = pc.replace_substring_regex(pc.utf8_normalize(lowered, "NFKC"), WITHOUT_SPACES, r" \1 ")
        lowered = pc.utf8_lower(spaced)
    pieces = pc.split_pattern_regex(lowered, SEPARATORS)
    encoded = pieces.values.dictionary_encode()
    is_word = pc.not_equal(encoded.dictionary, "").to_numpy(zero_copy_only=False)
    hashed = np.fromiter(map(_hash, encoded.dictionary.cast(pa.large_binary()).to_pylist()), np.uint64)
    indices = encoded.indices.to_numpy()
    kept = is_word[indices] if len(indices) else np.zeros(0, bool)
    before = np.concatenate([[0], np.cumsum(kept)])
    return Words(hashed[indices[kept]], before[pieces.offsets.to_numpy()].astype(np.int64))


def _hash(word: bytes) -> int:
    return int.from_bytes(blake2b(word, digest_size=8).digest(), "little")


def shingles_of(words: Words, size: int = SHINGLE_WORDS, *, shorter: bool = True) -> tuple[Numbers, Numbers, Hashes]:
    """Every run of `size` words: the text that owns it, the place of its first word in words.hashes, and its hash.

    With `shorter` a text of 1 to size - 1 words has one shingle of all its words, else none.
    """
    owners = np.repeat(np.arange(len(words.counts)), words.counts)
    places = np.arange(len(owners))
    room = words.starts[1:][owners] - places
    is_start = room >= size
    if shorter:
        is_start |= places == words.starts[:-1][owners]
    places, room = places[is_start], room[is_start]
    value = np.zeros(len(places), np.uint64)
    for step in range(size):
        word = words.hashes[np.minimum(places + step, len(words.hashes) - 1)] if len(places) else value
        value = value * _MULTIPLIER + np.where(step < room, word, np.uint64(0))
    return owners[is_start], places, mixed(value)


def mixed(values: Hashes) -> Hashes:
    """MurmurHash3's finaliser: every bit of the input moves every bit of the result."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))


def sets_of(owners: Numbers, shingles: Hashes, count: int) -> ShingleSets:
    """The sets of `count` owners from their shingles in any order, repeats dropped."""
    if count > MOST_TEXTS:
        raise ValueError(f"{count} texts in a batch, at most {MOST_TEXTS} are possible.")
    short = (shingles >> np.uint64(64 - SHINGLE_BITS)).astype(np.int64)
    keys = np.sort((owners << SHINGLE_BITS) | short)
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
    sizes = np.bincount(keys >> SHINGLE_BITS, minlength=count)
    return ShingleSets(keys & _SHINGLE_MASK, np.concatenate([[0], np.cumsum(sizes)]))


def bands_of(sets: ShingleSets) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """MinHash keys, [sets, BANDS]: two sets share a band's key when six of their minima agree (Broder 1997).

    Permutations are h -> a h + b modulo 2^32 with odd a, over hashes that are mixed already. An empty set's keys are 0.
    """
    multipliers, offsets = _permutations()
    keys = np.zeros((len(sets.sizes), BANDS), np.uint32)
    full = np.flatnonzero(sets.sizes)
    short = sets.shingles.astype(np.uint32)
    for first in range(0, len(full), _ROWS_AT_ONCE):
        chosen = full[first : first + _ROWS_AT_ONCE]
        low, high = sets.starts[chosen[0]], sets.starts[chosen[-1] + 1]
        hashes, starts = short[low:high], sets.starts[chosen] - low
        for band in range(BANDS):
            key = np.zeros(len(chosen), np.uint64)
            for number in range(band * BAND_ROWS, (band + 1) * BAND_ROWS):
                least = np.minimum.reduceat(hashes * multipliers[number] + offsets[number], starts)
                key = mixed(key * _MULTIPLIER + least)
            keys[chosen, band] = key >> np.uint64(32)
    return keys


def _permutations() -> tuple[np.ndarray[Any, np.dtype[np.uint32]], np.ndarray[Any, np.dtype[np.uint32]]]:
    """Always the same ones: a report on the same file is the same report."""
    draw = np.random.default_rng(0)
    numbers = draw.integers(0, 2**32, (2, BANDS * BAND_ROWS), dtype=np.uint32)
    return numbers[0] | np.uint32(1), numbers[1]


def similarities(sets: ShingleSets | SpilledSets, one: Numbers, other: Numbers) -> Shares:
    """The exact Jaccard similarity |A ∩ B| / |A ∪ B| of sets one[i] and other[i]; 0 for two empty sets."""
    from scipy.sparse import csr_matrix

    rows, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    picked = sets.pick(rows)
    shape = (len(rows), 1 << SHINGLE_BITS)
    table = csr_matrix((np.ones(len(picked.shingles), np.int32), picked.shingles, picked.starts), shape)
    table.has_canonical_format = True  # each set ascends without repeats, so products need no dense row
    first, second = places[: len(one)], places[len(one) :]
    common = np.asarray(table[first].multiply(table[second]).sum(axis=1)).ravel()
    union = picked.sizes[first] + picked.sizes[second] - common
    shares: Shares = common / np.maximum(union, 1)
    return shares
