"""Rows of a page that belong together (copies of each other, circles) and what a page break cuts off of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from training.preferences.browsing.layout import Array
from training.preferences.browsing.presenting import ShownRow
from training.preferences.browsing.selecting import Selection


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one group that stand on a page. `number` is its name in addresses; None for rows of no group.

    `size` counts all its rows in the listing, `earlier` and `later` those on other pages, `left_out` the rows of the
    group that do not meet the listing's conditions.
    """

    rows: Sequence[ShownRow]
    number: int | None
    size: int
    earlier: int
    later: int
    left_out: int


def groups_of(selection: Selection, shown: Sequence[ShownRow], start: int, *, descending: bool) -> list[Group]:
    """The rows of a page in its groups; `start` is the place of the first in the order of rows. Empty where the
    selection has no groups."""
    if selection.together is None:
        return []
    together = selection.together
    chosen = together[selection.rows]

    def name_of(row: ShownRow) -> int | None:
        group = together[row.row.number]
        return None if np.isnan(group) else int(group)

    found: list[Group] = []
    for name, members in groupby(shown, name_of):
        rows = list(members)
        rows = rows if name is None else _beside_each_other(rows)
        begin, size = _place(chosen, name, descending=descending)
        left_out = _place(together, name)[1] - size if name is not None else 0
        found.append(Group(rows, name, size, start - begin, begin + size - start - len(rows), left_out))
        start += len(rows)
    return found


def _beside_each_other(rows: list[ShownRow]) -> list[ShownRow]:
    """Each row beside the first of its group, or, where it is equal to that, beside the first that differs from it; no
    row beside another where all are equal."""
    first = rows[0].row
    other = next((row.row for row in rows if row.row.pair[:3] != first.pair[:3]), None)
    if other is None:
        return rows
    return [replace(row, beside=other if row.row.pair[:3] == first.pair[:3] else first) for row in rows]


def _place(values: Array, name: int | None, *, descending: bool = False) -> tuple[int, int]:
    """Where a group begins in the order, and how many rows it has; rows of no group come after all others."""
    if name is None:
        size = int(np.count_nonzero(np.isnan(values)))
        return len(values) - size, size
    before = values > name if descending else values < name
    return int(np.count_nonzero(before)), int(np.count_nonzero(values == name))
