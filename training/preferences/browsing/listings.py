"""What a page of rows shows, and its address: the address holds all of it, and anything may stand in one."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pydantic import ValidationError

from training.preferences.filters import Bounds, Filter

if TYPE_CHECKING:
    from django.http import QueryDict

SPLITS = ("train", "held_out")
WORDS = ("tag", "annotator", "source", "language", "finding")
NUMBERS = ("group", "cluster")
ROWS_PER_PAGE = 25
# Scores that are suspicions: the greatest comes first, unless an address says otherwise.
MOST_FIRST = {"noise", "leak", "disagreement"}
# The order of a finding's rows, where it has a score of its own.
SORT_OF_FINDING = {
    "label_noise": "noise",
    "leaks": "leak",
    "annotators_apart": "disagreement",
    "sources_apart": "disagreement",
}
LONGEST_TEXT = 1_000
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?")
LARGEST = 2**53


@dataclass(frozen=True)
class Listing:
    """Which rows, in which order, which page (from 1); `complaints` say in sentences what was not understood."""

    filter: Filter = field(default_factory=Filter)
    sort: str = "row"
    descending: bool = False
    page: int = 1
    complaints: tuple[str, ...] = ()

    @property
    def is_in_usual_order(self) -> bool:
        return self.descending == (self.sort in MOST_FIRST)

    @property
    def start(self) -> int:
        return (self.page - 1) * ROWS_PER_PAGE

    @property
    def query(self) -> str:
        """What follows the ? in the address; empty for the first page of all rows."""
        return urlencode(_parameters(self))

    @property
    def filter_json(self) -> str:
        """The filter alone, for pages that take it as one parameter; what is not set is left out."""
        return self.filter.model_dump_json(exclude_defaults=True)

    @property
    def is_filtered(self) -> bool:
        return self.filter != Filter()

    def on_page(self, page: int) -> Listing:
        return replace(self, page=page)

    def sorted_by(self, sort: str, *, descending: bool) -> Listing:
        return replace(self, sort=sort, descending=descending, page=1)

    def changed(self, **conditions: Any) -> Listing:
        """The same with other conditions, from the first page on."""
        return replace(self, filter=self.filter.model_copy(update=conditions), page=1)

    def conditions(self) -> list[tuple[str, Any, Listing]]:
        """Every condition that is set: its name, its value, and the listing without it."""
        chosen = self.filter
        found: list[tuple[str, Any, Listing]] = []
        found += [("text", chosen.text, self.changed(text=""))] if chosen.text else []
        found += [("split", chosen.split, self.changed(split=""))] if chosen.split else []
        for name in WORDS:
            if value := getattr(chosen, name):
                without = {name: "", "group": None} if name == "finding" else {name: ""}
                found.append((name, value, self.changed(**without)))
        found += [(n, getattr(chosen, n), self.changed(**{n: None})) for n in NUMBERS if getattr(chosen, n) is not None]
        for place, bounds in enumerate(chosen.bounds):
            others = (*chosen.bounds[:place], *chosen.bounds[place + 1 :])
            found.append(("bounds", bounds, self.changed(bounds=others)))
        found += [("rows", chosen.rows, self.changed(rows=()))] if chosen.rows else []
        return found


def _parameters(listing: Listing) -> list[tuple[str, Any]]:
    chosen = listing.filter
    named = [("q", chosen.text), ("split", chosen.split), *((name, getattr(chosen, name)) for name in WORDS)]
    found: list[tuple[str, Any]] = [(name, value) for name, value in named if value]
    found += [(name, getattr(chosen, name)) for name in NUMBERS if getattr(chosen, name) is not None]
    for bounds in chosen.bounds:
        found += [("score", bounds.score), ("low", _shown(bounds.low)), ("high", _shown(bounds.high))]
    found += [("rows", ",".join(map(str, chosen.rows)))] if chosen.rows else []
    usual = SORT_OF_FINDING.get(chosen.finding, "row")
    found += [("sort", listing.sort)] if listing.sort != usual or not listing.is_in_usual_order else []
    found += [] if listing.is_in_usual_order else [("order", "down" if listing.descending else "up")]
    return [*found, ("page", listing.page)] if listing.page > 1 else found


def _shown(bound: float | None) -> str:
    return "" if bound is None else f"{bound:.9g}"


def listing_of(parameters: QueryDict, sorts: Sequence[str] = ()) -> Listing:
    """The listing that an address asks for. What cannot be understood is left out, with a complaint.

    `filter` (JSON, as Listing.filter_json) stands for all conditions, where it is given.
    """
    complaints: list[str] = []
    chosen = _filter(parameters, complaints)
    sort = _sort(parameters, sorts, chosen, complaints)
    page = _number(parameters.get("page", ""))
    order = parameters.get("order", "")
    return Listing(
        filter=chosen,
        sort=sort,
        descending=order == "down" or (sort in MOST_FIRST and order != "up"),
        page=int(page) if page is not None and 1 <= page < LARGEST else 1,
        complaints=tuple(complaints),
    )


def _sort(parameters: QueryDict, sorts: Sequence[str], chosen: Filter, complaints: list[str]) -> str:
    """What rows are sorted by: as the address says, or as it is usual for the finding they belong to."""
    asked, usual = str(parameters.get("sort", "")), SORT_OF_FINDING.get(chosen.finding, "row")
    if not asked:
        return usual if not sorts or usual in sorts else "row"
    if asked != "row" and sorts and asked not in sorts:
        complaints.append(f"Rows cannot be sorted by “{_short(asked)}”; they are in the order of the version.")
        return "row"
    return asked


def _filter(parameters: QueryDict, complaints: list[str]) -> Filter:
    if text := parameters.get("filter", ""):
        try:
            return Filter.model_validate(json.loads(text))
        except (ValidationError, ValueError, RecursionError):
            complaints.append("The filter in the address could not be read, so all rows are listed.")
            return Filter()
    split = parameters.get("split", "")
    return Filter(
        text=str(parameters.get("q", ""))[:LONGEST_TEXT],
        split=split if split in SPLITS else "",
        **_words(parameters),
        **_whole_numbers(parameters, complaints),
        bounds=_bounds(parameters, complaints),
        rows=_rows(parameters, complaints),
    )


def _words(parameters: QueryDict) -> Mapping[str, Any]:
    return {name: str(parameters.get(name, "")).strip()[:LONGEST_TEXT] for name in WORDS}


def _whole_numbers(parameters: QueryDict, complaints: list[str]) -> Mapping[str, Any]:
    found: dict[str, int] = {}
    for name in NUMBERS:
        text = str(parameters.get(name, "")).strip()
        number = _number(text)
        if number is not None and number == int(number) and abs(number) < LARGEST:
            found[name] = int(number)
        elif text:
            complaints.append(f"“{_short(text)}” is not the number of a {name}; it was left out.")
    return found


def _bounds(parameters: QueryDict, complaints: list[str]) -> tuple[Bounds, ...]:
    columns = [parameters.getlist(name) for name in ("score", "low", "high")]
    found = []
    for place, score in enumerate(columns[0]):
        low, high = (str(column[place]).strip() if place < len(column) else "" for column in columns[1:])
        numbers = [_number(text) for text in (low, high)]
        wrong = [text for text, number in zip((low, high), numbers, strict=True) if text and number is None]
        if wrong:
            complaints.append(
                f"“{_short(wrong[0])}” is not a number, so the bounds of {_short(score)} were left out. "
                "Decimals are written with a point."
            )
        elif score and (low or high):
            found.append(Bounds(score=score, low=numbers[0], high=numbers[1]))
    return tuple(found)


def _rows(parameters: QueryDict, complaints: list[str]) -> tuple[int, ...]:
    parts = [part.strip() for part in str(parameters.get("rows", "")).split(",") if part.strip()]
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 16]
    if len(numbers) < len(parts):
        complaints.append("Rows are named by their numbers, with commas between them; others were left out.")
    return tuple(dict.fromkeys(numbers))


def _number(text: Any) -> float | None:
    """A number as pages print it, with commas between thousands; None for "0,5", as a comma may mean either."""
    found = str(text).strip()
    try:
        number = float(found.replace(",", "") if THOUSANDS.fullmatch(found) else found)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _short(text: Any) -> str:
    return str(text)[:60]
