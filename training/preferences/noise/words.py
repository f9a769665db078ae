"""Texts as hashed words, many at a time: what the features of pairs are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]

# Marks stand alone, as do the letters of scripts that put no space between words.
APART = r"([^\pL\pN\s]|\p{Han}|\p{Hiragana}|\p{Katakana}|\p{Thai})"


@dataclass(frozen=True, slots=True)
class Words:
    """Word hashes of several texts one behind the other; those of text i are `hashes[starts[i]:starts[i + 1]]`."""

    hashes: Hashes
    starts: Integers

    @property
    def counts(self) -> Integers:
        return np.diff(self.starts)


def words_of(texts: Sequence[str]) -> Words:
    """Lower-case words and marks of each text, hashed alike on every machine and in every batch."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from sklearn.utils import murmurhash3_32

    lowered = pc.utf8_lower(pa.array(texts, pa.large_string()))
    parts = pc.utf8_split_whitespace(pc.replace_substring_regex(lowered, APART, r" \1 "))
    coded = parts.values.dictionary_encode()
    known = [murmurhash3_32(word, positive=True) if word else 0 for word in coded.dictionary.to_pylist()]
    hashes = np.array(known, np.uint64)[coded.indices.to_numpy()] if known else np.zeros(0, np.uint64)
    there = hashes > 0  # splitting leaves empty parts at the ends of a text
    before = np.concatenate(([0], np.cumsum(there)))
    return Words(hashes[there], before[parts.offsets.to_numpy()].astype(np.int64))


def phrases(words: Words) -> Words:
    """Every two neighbouring words of the same text."""
    joined = mixed(words.hashes[:-1], words.hashes[1:])
    row = np.repeat(np.arange(len(words.counts)), words.counts)
    starts = np.concatenate(([0], np.cumsum(np.maximum(words.counts - 1, 0))))
    return Words(joined[row[:-1] == row[1:]], starts)


def with_length(words: Words) -> Words:
    """The words and one more that stands for their number, two classes per doubling."""
    classes = np.round(2 * np.log2(words.counts + 1)).astype(np.uint64)
    hashes = np.insert(words.hashes, words.starts[1:], mixed(classes, np.uint64(7)))
    return Words(hashes, words.starts + np.arange(len(words.starts)))


def mixed(first: Hashes, second: Any) -> Hashes:
    """A hash of an ordered pair of hashes (the finaliser of splitmix64; Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        value = first * np.uint64(0x9E3779B97F4A7C15) + second
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    last: Hashes = value ^ (value >> np.uint64(31))
    return last


def column(hashes: Hashes, bits: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    """The last `bits` bits: where a hash stands in a table of 2^bits."""
    return (hashes & np.uint64(2**bits - 1)).astype(np.int32)


def present(words: Words, bits: int) -> csr_matrix:
    """[texts, 2^bits] float32: 1 where a text has the word."""
    from scipy.sparse import csr_matrix

    ones = np.ones(len(words.hashes), np.float32)
    matrix = csr_matrix((ones, column(words.hashes, bits), words.starts), shape=(len(words.counts), 2**bits))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def difference(first: Words, second: Words, bits: int) -> csr_matrix:
    """[pairs, 2^bits]: 1 where only the first text has the word, -1 where only the second has it."""
    matrix = present(first, bits) - present(second, bits)
    matrix.eliminate_zeros()
    return matrix
