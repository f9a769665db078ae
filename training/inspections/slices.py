"""Which slices of the data a pair belongs to. A slice is a key `group:value`; pairs.parquet keeps each pair's keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_VALUES = 12
"""A column with more values than this is an identifier and makes no slices."""

FEWEST_PAIRS = 5
"""A value of a column that fewer pairs have is left out: its interval would span everything."""

COLUMNS = ("source", "annotator", "rater", "category", "type", "domain", "tag", "tags", "language", "model")
"""Columns of the source that describe a pair; others are texts or numbers of its own."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a pair without any model; lengths in tokens, `turns` are messages of its prompt."""

    row: int
    split: str
    chosen_tokens: int
    rejected_tokens: int
    turns: int
    extra: Mapping[str, Any]


GROUPS = {
    "split": "Split",
    "longer": "Which answer is longer",
    "length": "Length of both answers",
    "turns": "Turns of the prompt",
}
VALUES = {
    "split:train": "training pairs",
    "split:held_out": "held-out pairs",
    "longer:chosen": "the chosen answer is longer",
    "longer:rejected": "the chosen answer is shorter",
    "longer:neither": "both are equally long",
    "length:1": "shortest quarter",
    "length:2": "second quarter",
    "length:3": "third quarter",
    "length:4": "longest quarter",
    "turns:1": "one message",
    "turns:more": "several messages",
}


def group_label(key: str) -> str:
    """'longer:chosen' -> 'Which answer is longer'."""
    group = _group(key)
    return GROUPS.get(group, group.replace("_", " ").capitalize())


def value_label(key: str) -> str:
    """'longer:chosen' -> 'the chosen answer is longer'; values of columns stand as they are."""
    return VALUES.get(key, key.partition(":")[2])


def slices_of(pairs: Sequence[Facts]) -> list[tuple[str, ...]]:
    """The keys of each pair."""
    columns = [_column_keys(pair.extra) for pair in pairs]
    kept = _kept(columns)
    edges = _quartile_edges([pair.chosen_tokens + pair.rejected_tokens for pair in pairs])
    return [
        (*_own_keys(pair, edges), *(key for key in keys if key in kept))
        for pair, keys in zip(pairs, columns, strict=True)
    ]


def _own_keys(pair: Facts, edges: tuple[int, int, int]) -> tuple[str, ...]:
    difference = pair.chosen_tokens - pair.rejected_tokens
    longer = "chosen" if difference > 0 else "rejected" if difference < 0 else "neither"
    quarter = 1 + sum(pair.chosen_tokens + pair.rejected_tokens > edge for edge in edges)
    turns = "1" if pair.turns == 1 else "more"
    return (f"split:{pair.split}", f"longer:{longer}", f"length:{quarter}", f"turns:{turns}")


def _quartile_edges(lengths: Sequence[int]) -> tuple[int, int, int]:
    """Largest length of the first, second and third quarter; pairs of equal length share a quarter."""
    ordered = sorted(lengths)
    first, second, third = (ordered[max(0, len(ordered) * k // 4 - 1)] for k in (1, 2, 3))
    return first, second, third


def _column_keys(extra: Mapping[str, Any]) -> tuple[str, ...]:
    """'source:web' for every describing column; a list gives a key for each of its values."""
    keys = []
    for column in COLUMNS:
        found = extra.get(column)
        values = found if isinstance(found, list) else [found]
        keys += [f"{column}:{value}" for value in values if isinstance(value, str | int | bool) and str(value)]
    return tuple(dict.fromkeys(keys))


def _kept(columns: Iterable[tuple[str, ...]]) -> set[str]:
    """The keys of columns with few values, and of those the ones that enough pairs have."""
    counts = Counter(key for keys in columns for key in keys)
    values = Counter(map(_group, counts))
    kept = {key for key, count in counts.items() if count >= FEWEST_PAIRS and values[_group(key)] <= MOST_VALUES}
    left = Counter(map(_group, kept))
    return {key for key in kept if left[_group(key)] > 1}


def _group(key: str) -> str:
    return key.partition(":")[0]
