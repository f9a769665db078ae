"""Answers a filter: which rows, in which order, a page at a time.

Every condition is a mask over the rows of the version (a million flags), whatever is combined with what; a page is
cut out of the order by selection, so a deep page costs no more than the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.preferences.browsing.building import MEASURES
from training.preferences.browsing.index import Index, Mask, RowNumbers
from training.preferences.browsing.layout import Array
from training.preferences.browsing.scores import Scores
from training.preferences.browsing.words import phrases
from training.preferences.filters import Bounds, Filter


class UnknownCondition(ValueError):
    """The filter names a finding or a score that the version's report does not have; the message is a sentence."""


@dataclass(frozen=True)
class Browser:
    """An index, what the report says of the rows, and the rows that people tagged (tag -> row numbers)."""

    index: Index
    scores: Scores
    tagged: Callable[[str], Iterable[int]] = lambda tag: ()

    @property
    def sorts(self) -> tuple[str, ...]:
        """Everything rows can be sorted and bounded by beside `row`."""
        return (*self.scores.names, *MEASURES)

    def values(self, name: str) -> Array:
        """A score or measure, one value per row. Raises UnknownCondition."""
        try:
            return self.index.measure(name) if name in MEASURES else self.scores.numbers(name)
        except KeyError:
            raise UnknownCondition(f"There is no score called “{name}” for these rows.") from None

    def select(self, chosen: Filter) -> Selection:
        """The rows that meet the filter. Raises UnknownCondition."""
        return Selection(self, np.flatnonzero(self._mask(chosen)), self._together(chosen.finding))

    def _mask(self, chosen: Filter) -> Mask:
        asked = phrases(chosen.text)
        mask = self.index.holding(asked)
        if chosen.text and not asked:
            mask[:] = False  # A search for nothing that could be found is not a search for everything.
        for name, value in (("split", chosen.split), ("annotator", chosen.annotator), ("source", chosen.source)):
            if value:
                mask &= self.index.named(name, value)
        if chosen.finding:
            mask &= self._of_finding(chosen.finding, chosen.group)
        for bounds in chosen.bounds:
            mask &= self._within(bounds)
        if chosen.cluster is not None:
            mask &= self.values("cluster") == chosen.cluster
        if chosen.language:
            mask &= self._in_language(chosen.language)
        if chosen.tag:
            mask &= self._these(self.index.tagged(chosen.tag)) | self._these(self.tagged(chosen.tag))
        if chosen.rows:
            mask &= self._these(chosen.rows)
        return mask

    def _these(self, rows: Iterable[int]) -> Mask:
        mask = np.zeros(self.index.rows, np.bool_)
        numbers = rows if isinstance(rows, np.ndarray) else np.array(list(rows), np.int64)
        mask[numbers[(numbers >= 0) & (numbers < self.index.rows)]] = True
        return mask

    def _of_finding(self, rule: str, group: int | None) -> Mask:
        found = self.scores.found().get(rule)
        if found is None:
            raise UnknownCondition(f"The report on these rows has no finding called “{rule}”.")
        if group is None:
            return self._these(found.rows)
        return self._these(found.rows[found.groups == group] if found.groups is not None else ())

    def _together(self, rule: str) -> Array | None:
        """The group of every row in a finding whose rows belong together; None where they do not."""
        found = self.scores.found().get(rule)
        if found is None or found.groups is None:
            return None
        groups = np.full(self.index.rows, np.nan, np.float32)  # exact up to 16 million
        groups[found.rows] = np.where(found.groups < 0, np.nan, found.groups)
        return groups

    def _within(self, bounds: Bounds) -> Mask:
        values = self.values(bounds.score)
        mask: Mask = ~np.isnan(values)
        if bounds.low is not None:
            mask &= values >= bounds.low
        if bounds.high is not None:
            mask &= values <= bounds.high
        return mask

    def _in_language(self, language: str) -> Mask:
        if not self.scores.has_language:
            raise UnknownCondition("The report on these rows says nothing about languages.")
        mask: Mask = self.scores.in_language(language)
        return mask


@dataclass(frozen=True, slots=True)
class Around:
    """Where a row stands among others: its place, from 0, and the rows before and after it, if there are any."""

    place: int
    previous: int | None
    next: int | None


@dataclass(frozen=True)
class Selection:
    """The rows that meet a filter, ascending; `together`: the group of every row of a finding of copies or circles."""

    browser: Browser
    rows: RowNumbers
    together: Array | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def groups(self) -> int:
        """How many groups its rows belong to."""
        if self.together is None:
            return 0
        chosen = self.together[self.rows]
        return len(np.unique(chosen[~np.isnan(chosen)]))

    def page(self, start: int, size: int, sort: str = "row", *, descending: bool = False) -> RowNumbers:
        """`size` rows from the `start`-th on; equal ones by number, those without a value last. In the order of rows
        a group stands together."""
        return self._window(start, min(start + size, len(self.rows)), sort, descending)

    def in_order(self, sort: str = "row", *, descending: bool = False) -> RowNumbers:
        """All rows in the order."""
        return self._window(0, len(self.rows), sort, descending)

    def around(self, row: int, sort: str = "row", *, descending: bool = False) -> Around | None:
        """What stands beside a row in the order; None where the row is not among these."""
        place = int(np.searchsorted(self.rows, row))
        if place == len(self.rows) or self.rows[place] != row:
            return None
        keys = self._keys(sort, descending)
        if keys is None:
            rows, place = (self.rows[::-1], len(self.rows) - 1 - place) if descending else (self.rows, place)
            earlier, later = rows[:place][-1:], rows[place + 1 :][:1]
        else:
            earlier, later = keys[keys < keys[place]], keys[keys > keys[place]]
            place, earlier, later = len(earlier), _rows(_end(earlier, np.max)), _rows(_end(later, np.min))
        return Around(place, int(earlier[0]) if len(earlier) else None, int(later[0]) if len(later) else None)

    def _window(self, start: int, stop: int, sort: str, descending: bool) -> RowNumbers:
        if start >= stop:
            return self.rows[:0]
        keys = self._keys(sort, descending)
        if keys is None:
            return self.rows[::-1][start:stop] if descending else self.rows[start:stop]
        keys.partition((start, stop - 1))
        return _rows(np.sort(keys[start:stop]))

    def _keys(self, sort: str, descending: bool) -> Array | None:
        """A number per row that rises in the order, with the row in its lower half; None for the order of rows."""
        values = self.browser.values(sort) if sort != "row" else self.together
        if values is None:
            return None
        return _order(values[self.rows], descending) << np.uint64(32) | self.rows.astype(np.uint64)


def _rows(keys: Array) -> RowNumbers:
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _end(keys: Array, end: Callable[[Array], Any]) -> Array:
    """The least or greatest of some keys, as an array; none of none."""
    return np.array([end(keys)]) if len(keys) else keys


def _order(values: Array, descending: bool) -> Array:
    """32-bit numbers that sort as the values do, NaN last either way: the bits of a float sort as a whole number does,
    once the sign bit of positive ones and all bits of negative ones are turned over."""
    bits = (values.astype(np.float32) + np.float32(0)).view(np.uint32)  # + 0 makes -0 and 0 the same
    turned = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31))
    ordered = np.where(np.isnan(values), np.uint32(0xFFFFFFFF), ~turned if descending else turned)
    return ordered.astype(np.uint64)
