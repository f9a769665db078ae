"""Browsing a sealed version: any filter, any order, any page of a million pairs in a fraction of a second.

Sealed Parquet is made to be read from end to end. Beside it stands an index, an SQLite file (`layout`, made by
`building`) that answers filters (`selecting`) and gives single rows (`index`); it can always be made again, and
`browser` makes it where it is missing. Scores and findings come from the report's own files (`scores`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.preferences import store
from training.preferences.browsing.building import ensure
from training.preferences.browsing.index import RowNumbers, opened
from training.preferences.browsing.scores import Scores
from training.preferences.browsing.selecting import Browser, UnknownCondition
from training.preferences.filters import Filter

if TYPE_CHECKING:
    from training.models import DatasetVersion

__all__ = ["ROWS_AT_ONCE", "UnknownCondition", "browser", "is_small", "open_browser", "rows_by_number", "select_rows"]

# Up to so much the index is made while a page waits for it.
ROWS_AT_ONCE = 2_000
BYTES_AT_ONCE = 4 * 1024 * 1024


def select_rows(version: DatasetVersion, chosen: Filter) -> RowNumbers:
    """All rows of a version that meet a filter, ascending; makes the index if it is missing, which takes about a
    minute for a million rows. Raises UnknownCondition, and OSError when the index cannot be written."""
    return browser(version).select(chosen).rows


def rows_by_number(path: Path, numbers: Iterable[int]) -> list[store.Row]:
    """Any rows of a sealed file, in the order asked for: through the index if there is one, else from the file."""
    if index := opened(path):
        return index.rows_by_number(numbers)
    wanted = [int(number) for number in numbers]
    found = {row.number: row for row in store.rows(path, list(dict.fromkeys(wanted)))}
    return [found[number] for number in wanted if number in found]


def is_small(version: DatasetVersion) -> bool:
    """Whether a page may wait until the index of its rows is made."""
    return version.rows <= ROWS_AT_ONCE and version.size_bytes <= BYTES_AT_ONCE


def open_browser(version: DatasetVersion) -> Browser | None:
    """The browser of a version; None while its index is missing and too large to be made at once. Raises OSError."""
    if opened(version.path) is None and not is_small(version):
        return None
    return browser(version)


def browser(version: DatasetVersion) -> Browser:
    """The browser of a version, whose index is made if it is missing. Raises OSError when it cannot be written."""
    from training.preferences import reporting  # the rest of this package needs no Django

    index = opened(version.path)
    if index is None:
        ensure(version.path)
        index = opened(version.path)
    if index is None:
        raise OSError(f"The index of {version} cannot be read.")

    def tagged(tag: str) -> Iterable[int]:
        return np.array(version.pair_tags.filter(tag=tag).values_list("row", flat=True), np.int64)

    return Browser(index, Scores(reporting.place_of(version)), tagged)
