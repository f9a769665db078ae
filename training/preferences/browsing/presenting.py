"""Rows as a page shows them: texts with the scores, tags and findings that belong to them, and names for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.preferences import tags
from training.preferences.browsing.excerpts import Excerpts, excerpts
from training.preferences.browsing.selecting import Browser
from training.preferences.checks.findings import Finding, part_of, rule_of
from training.preferences.filters import Bounds
from training.preferences.store import Row

if TYPE_CHECKING:
    from training.models import DatasetVersion
    from training.preferences.report import Report

LABELS = {
    "row": "Row",
    "noise": "P(label is wrong)",
    "style": "P(chosen) by style alone",
    "disagreement": "Other raters against the label",
    "leak": "Overlap with an evaluation",
    "duplicate_of": "Copy of row",
    "cluster": "Prompt cluster",
    "tokens": "Tokens",
    "estimated_tokens": "Tokens (estimated)",
    "prompt_length": "Prompt, characters",
    "chosen_length": "Chosen, characters",
    "rejected_length": "Rejected, characters",
    "length_difference": "Chosen minus rejected, characters",
    "weight": "Weight",
    "label": "Label",
    "margin": "Margin",
}
SHORT = {
    "noise": "Noise",
    "style": "Style",
    "leak": "Leak",
    "disagreement": "Against",
    "duplicate_of": "Copy of",
    "length_difference": "Longer by",
}
USUAL = ("noise", "length_difference")
SHOWN_SCORES = 3
# Places on the map of prompts are no order.
NOT_SORTED_BY = ("map_x", "map_y")


def label_of(score: str) -> str:
    return LABELS.get(score, score.replace("_", " ").capitalize())


def short_label_of(score: str) -> str:
    return SHORT.get(score) or label_of(score).split(",")[0]


@dataclass(frozen=True, slots=True)
class Value:
    """One score of one row; empty text where it has none."""

    name: str
    label: str
    number: float

    @property
    def short_label(self) -> str:
        return short_label_of(self.name)

    @property
    def text(self) -> str:
        if math.isnan(self.number):
            return ""
        return f"{int(self.number):,}" if self.number == int(self.number) else f"{self.number:.3f}"

    @property
    def exact(self) -> str:
        return f"{self.number:.9g}"


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row with what is known about it; `findings` are rules with the row's group in them, `beside` is the row that it
    is read beside in its group."""

    row: Row
    values: tuple[Value, ...]
    tags: list[str]
    findings: list[tuple[str, int | None]]
    beside: Row | None = None

    @property
    def excerpts(self) -> Excerpts:
        """A line of each of its texts."""
        return excerpts(self.row.pair, self.beside.pair if self.beside else None)

    @property
    def remarks(self) -> str:
        """Beside its texts: "held out · repeats, near duplicates"."""
        rules = ", ".join(dict.fromkeys(rule_of(rule).replace("_", " ") for rule, _ in self.findings))
        return " · ".join(part for part in ("held out" if self.row.split == "held_out" else "", rules) if part)


def shown_scores(sort: str, bounds: Sequence[Bounds], known: Sequence[str]) -> tuple[str, ...]:
    """The scores that a table of rows shows: what it is sorted and bounded by, and the usual ones."""
    wanted = [sort, *(bound.score for bound in bounds), *USUAL]
    return tuple(name for name in dict.fromkeys(wanted) if name in known)[:SHOWN_SCORES]


def shown(browser: Browser, version: DatasetVersion, numbers: Sequence[int], scores: Sequence[str]) -> list[ShownRow]:
    """Rows with these numbers, in this order."""
    rows = browser.index.rows_by_number(numbers)
    columns = {name: browser.values(name) for name in scores}
    own_tags = tags.of_rows(version, [row.number for row in rows])
    findings = browser.scores.findings_of(row.number for row in rows)
    return [
        ShownRow(
            row,
            tuple(Value(name, label_of(name), float(column[row.number])) for name, column in columns.items()),
            own_tags.get(row.number, []),
            findings[row.number],
        )
        for row in rows
    ]


def found_rows(report: Report | None) -> list[tuple[str, str]]:
    """The findings that name rows, each followed by its parts: what a filter calls them, and in words."""
    names: list[tuple[str, str]] = []
    for finding in report.findings if report else ():
        if finding.rows:
            names.append((finding.rule, finding.sentence))
            parts = [part_of(finding.rule, part) for part in finding.parts]
            names += [(part, words_of(finding, part)) for part in parts]
    return names


def words_of(finding: Finding | None, name: str) -> str:
    """A finding in words: its sentence; of a part, and of a finding that the report no longer has, the name."""
    return finding.sentence if finding and finding.rule == name else name.replace("_", " ", 1)


def sorts(browser: Browser) -> list[tuple[str, str]]:
    """What rows can be sorted and bounded by, with its label."""
    return [(name, label_of(name)) for name in browser.sorts if name not in NOT_SORTED_BY]
