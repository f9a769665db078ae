"""What a linear model may know of a pair: hashed differences of its two answers, alone and beside the prompt.

Every feature changes its sign when the answers change places, so a model without intercept gives P(first is better) and
P(second is better) that add up to 1. Four blocks, each of them scaled to a like size in the sample it was fitted on:

    words     words, marks and length classes that one answer has and the other lacks
    phrases   the same for two neighbouring words
    crosses   a word of the prompt together with a word that one answer has and the other lacks: which answers fit which
              prompts. Weighted by how much more often than by chance the two meet (pointwise mutual information), so
              that names of things weigh more than phrases said anywhere
    measures  length, variety, overlap with the prompt
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.noise.words import (
    Integers,
    Words,
    column,
    difference,
    mixed,
    phrases,
    present,
    with_length,
    words_of,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

CHARACTERS = 2_000
"""Of an answer its first, of a prompt its last so many characters are read: what bounds time and memory."""
WORD_BITS, PHRASE_BITS, CROSS_BITS = 17, 18, 21
PROMPT_WORDS, ANSWER_WORDS = 8, 24
"""Of prompt and answers the rarest words that still occur in RARE pairs are crossed."""
RARE = 3
BLOCKS = {"words": 0.7, "phrases": 0.5, "crosses": 2.0, "measures": 0.7}
"""Root mean square length of each block's rows: what a penalised model is to look at first."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The words of the parts of some pairs that are read."""

    prompts: Words
    first: Words
    second: Words

    @classmethod
    def read(cls, prompts: Sequence[str], first: Sequence[str], second: Sequence[str]) -> Texts:
        return cls(*(words_of(texts) for texts in clipped(prompts, first, second)))


def clipped(
    prompts: Sequence[str], first: Sequence[str], second: Sequence[str]
) -> tuple[list[str], list[str], list[str]]:
    """The parts of prompts and answers that are read."""
    asked = [text[-CHARACTERS:] for text in prompts]
    return asked, [text[:CHARACTERS] for text in first], [text[:CHARACTERS] for text in second]


@dataclass(frozen=True, slots=True)
class Crosses:
    """A sample's frequencies: in how many of its pairs a word of prompts, of differences, or a cross of both occurs."""

    pairs: int
    prompts: Integers
    answers: Integers
    both: Integers

    @classmethod
    def fit(cls, texts: Texts) -> Crosses:
        asked, told = present(texts.prompts, WORD_BITS), difference(texts.first, texts.second, WORD_BITS)
        known = cls(asked.shape[0], _occurrences(asked), _occurrences(told), np.zeros(0, np.int64))
        met = _meetings(_rarest(asked, known.prompts, PROMPT_WORDS), _rarest(told, known.answers, ANSWER_WORDS))
        both = np.bincount(met.columns, minlength=2**CROSS_BITS)
        return cls(known.pairs, known.prompts, known.answers, both)

    def matrix(self, texts: Texts) -> csr_matrix:
        """[pairs, 2^CROSS_BITS] float32: ± the mutual information of each cross, where it is above 0."""
        from scipy.sparse import csr_matrix

        asked, told = present(texts.prompts, WORD_BITS), difference(texts.first, texts.second, WORD_BITS)
        met = _meetings(_rarest(asked, self.prompts, PROMPT_WORDS), _rarest(told, self.answers, ANSWER_WORDS))
        together = self.both[met.columns]
        chance = self.prompts[met.asked] * self.answers[met.told] / self.pairs
        weights = np.log(np.maximum(together / chance, 1.0)) * (together >= RARE)
        values = (met.signs * weights).astype(np.float32)
        matrix = csr_matrix((values, met.columns, met.starts), shape=(asked.shape[0], 2**CROSS_BITS))
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        return matrix


@dataclass(frozen=True, slots=True)
class _Meetings:
    """Every word of a prompt with every word of its difference, pair after pair."""

    asked: Any
    told: Any
    signs: Any
    columns: Any
    starts: Integers


def _meetings(asked: csr_matrix, told: csr_matrix) -> _Meetings:
    left, right = (np.diff(matrix.indptr).astype(np.int64) for matrix in (asked, told))
    sizes = left * right
    starts = np.concatenate(([0], np.cumsum(sizes)))
    row = np.repeat(np.arange(len(sizes)), sizes)
    within = np.arange(starts[-1]) - starts[row]
    word = asked.indices[asked.indptr[row] + within // right[row]]
    place = told.indptr[row] + within % right[row]
    hashes = mixed(word.astype(np.uint64), told.indices[place].astype(np.uint64))
    return _Meetings(word, told.indices[place], told.data[place], column(hashes, CROSS_BITS), starts)


def _rarest(matrix: csr_matrix, frequency: Integers, limit: int) -> csr_matrix:
    """Of each row the `limit` rarest words among those that occur in RARE pairs or more."""
    from scipy.sparse import csr_matrix

    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    often = frequency[matrix.indices]
    order = np.lexsort((matrix.indices, often, row))
    order = order[often[order] >= RARE]
    counts = np.bincount(row[order], minlength=matrix.shape[0])
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    order = order[rank < limit]
    starts = np.concatenate(([0], np.cumsum(np.minimum(counts, limit))))
    return csr_matrix((matrix.data[order], matrix.indices[order], starts), shape=matrix.shape)


@dataclass(frozen=True, slots=True)
class Features:
    """Turns pairs into rows of numbers, in the way that suits the sample it was fitted on."""

    crosses: Crosses
    scales: tuple[float, ...]
    kept: Integers

    @property
    def crossed(self) -> Any:
        """[columns]: which of the columns are crosses."""
        first = 2**WORD_BITS + 2**PHRASE_BITS
        return (self.kept >= first) & (self.kept < first + 2**CROSS_BITS)

    def with_crosses(self, strength: float) -> Features:
        """The same with crosses that many times as large, which a penalty then shrinks less."""
        scales = (
            scale * strength if name == "crosses" else scale for name, scale in zip(BLOCKS, self.scales, strict=True)
        )
        return replace(self, scales=tuple(scales))

    @classmethod
    def fit(cls, texts: Texts) -> Features:
        """Learns frequencies and scales; columns that occur in a single pair are left out, they teach nothing."""
        crosses = Crosses.fit(texts)
        blocks = _blocks(texts, crosses)
        sizes = [np.sqrt(block.multiply(block).sum() / max(block.shape[0], 1)) for block in blocks]
        scales = [weight / size if size else 0.0 for weight, size in zip(BLOCKS.values(), sizes, strict=True)]
        kept = np.flatnonzero(np.concatenate([_occurrences(block) for block in blocks]) > 1)
        return cls(crosses, tuple(scales), kept)

    def matrix(self, texts: Texts) -> csr_matrix:
        """[pairs, columns] float32: the four blocks side by side."""
        from scipy.sparse import hstack

        blocks = _blocks(texts, self.crosses)
        scaled = [block * np.float32(scale) for block, scale in zip(blocks, self.scales, strict=True)]
        return hstack(scaled, format="csr", dtype=np.float32)[:, self.kept]


def _blocks(texts: Texts, crosses: Crosses) -> tuple[csr_matrix, ...]:
    """In the order of BLOCKS."""
    from scipy.sparse import csr_matrix

    return (
        difference(with_length(texts.first), with_length(texts.second), WORD_BITS),
        difference(phrases(texts.first), phrases(texts.second), PHRASE_BITS),
        crosses.matrix(texts),
        csr_matrix(_measures(texts)),
    )


def _occurrences(matrix: csr_matrix) -> Integers:
    """In how many rows each column is not 0."""
    return np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.int64)


def _measures(texts: Texts) -> Any:
    """[pairs, 4] float32: differences of what is measured of each answer."""
    asked = present(texts.prompts, WORD_BITS)
    return (_measured(asked, texts.first) - _measured(asked, texts.second)).astype(np.float32)


def _measured(asked: csr_matrix, words: Words) -> Any:
    """[answers, 4]: log of the words' number, share of distinct ones, shares of prompt and answer that both have."""
    own = present(words, WORD_BITS)
    distinct, wanted = (np.maximum(np.diff(matrix.indptr), 1) for matrix in (own, asked))
    shared = np.asarray(own.multiply(asked).sum(axis=1)).ravel()
    length = np.maximum(words.counts, 1)
    return np.column_stack([np.log(length), distinct / length, shared / wanted, shared / distinct])
