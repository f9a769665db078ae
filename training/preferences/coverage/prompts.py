"""The different prompts of a version: which row has each first, and excerpts of their texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from training.preferences.checks.findings import RowNumbers

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

HEAD, TAIL = 400, 200
"""Characters of a longer prompt that are looked at: what it begins with, and what is asked at its end."""

EXCERPTS = f"""
SELECT row, CASE WHEN length(text) <= {HEAD + TAIL} THEN text ELSE left(text, {HEAD}) || chr(10) || right(text, {TAIL})
END AS text FROM (SELECT row, text_of(prompt) AS text FROM pairs)
"""
EXCERPTS_PER_BATCH = 8_192


@dataclass(frozen=True)
class DifferentPrompts:
    """`first[n]`: the first row that has prompt n, ascending; `of_row[row]`: the number of the row's prompt."""

    first: RowNumbers
    of_row: RowNumbers

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def rows(self) -> RowNumbers:
        """How many rows have each prompt."""
        return np.bincount(self.of_row, minlength=len(self.first))


@dataclass(frozen=True, slots=True)
class Excerpts:
    """Some prompts by number, with their text."""

    numbers: RowNumbers
    texts: list[str]


def different_prompts(database: DuckDBPyConnection) -> DifferentPrompts:
    """The prompts of a survey's table `measures`."""
    hashes = database.execute("SELECT prompt_hash FROM measures ORDER BY row").fetchnumpy()["prompt_hash"]
    _, first, of_row = np.unique(np.asarray(hashes), return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return DifferentPrompts(first[order].astype(np.int64), number[of_row.reshape(-1)].astype(np.int64))


def excerpt(text: str) -> str:
    """A text, or of a long one its head and tail; the same as the database makes of the version's prompts."""
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"


def excerpts(
    database: DuckDBPyConnection, prompts: DifferentPrompts, wanted: np.ndarray[Any, np.dtype[np.bool_]] | None = None
) -> Iterator[Excerpts]:
    """Every prompt once (or those with a true value in `wanted`), some thousands at a time."""
    reader = database.cursor().sql(EXCERPTS).to_arrow_reader(EXCERPTS_PER_BATCH)
    for batch in reader:
        rows = batch.column(0).to_numpy(zero_copy_only=False)
        numbers = prompts.of_row[rows]
        kept = prompts.first[numbers] == rows
        if wanted is not None:
            kept &= wanted[numbers]
        if kept.any():
            yield Excerpts(numbers[kept], batch.column(1).filter(kept).to_pylist())


def drawn(total: int, most: int, seed: int = 0) -> RowNumbers:
    """At most `most` of the numbers below `total`, drawn without replacement, ascending."""
    if total <= most:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, most, replace=False))


def texts_of(database: DuckDBPyConnection, prompts: DifferentPrompts, numbers: RowNumbers) -> list[str]:
    """The excerpts of the prompts with these numbers, in their order."""
    wanted = np.zeros(len(prompts), bool)
    wanted[numbers] = True
    found = {
        number: text
        for some in excerpts(database, prompts, wanted)
        for number, text in zip(some.numbers.tolist(), some.texts, strict=True)
    }
    return [found[number] for number in numbers.tolist()]


def batches(texts: Sequence[str], size: int = EXCERPTS_PER_BATCH) -> Iterator[Excerpts]:
    """Texts at hand in the same form."""
    for start in range(0, len(texts), size):
        some = list(texts[start : start + size])
        yield Excerpts(np.arange(start, start + len(some)), some)
