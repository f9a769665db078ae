"""Two versions side by side: what their reports say of each, and which rows only one of them has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.models import DatasetVersion
from training.preferences.browsing import open_browser
from training.preferences.browsing.index import Index
from training.preferences.checks.findings import Family, Finding
from training.preferences.cleaning import diffs
from training.preferences.pictures import steps
from training.preferences.report import Lengths, Report


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the table; values are numbers, or words where `is_words`."""

    label: str
    left: Any
    right: Any
    is_words: bool = False

    @property
    def differs(self) -> bool:
        return bool(self.left != self.right)


@dataclass(frozen=True, slots=True)
class FindingPair:
    """What one rule found in either version; None where it found nothing."""

    rule: str
    left: Finding | None
    right: Finding | None

    @property
    def differs(self) -> bool:
        return self.left is None or self.right is None or self._said(self.left) != self._said(self.right)

    @staticmethod
    def _said(finding: Finding) -> tuple[Any, ...]:
        return finding.level, finding.count, finding.total


@dataclass(frozen=True, slots=True)
class Overlap:
    """Rows that both have, and that only one has: by the diff where one is the other's parent, else by content."""

    both: int
    only_left: int
    only_right: int
    changed: int | None = None
    """Known only from a diff."""


def facts(left: DatasetVersion, right: DatasetVersion, reports: tuple[Report | None, Report | None]) -> list[Fact]:
    """What is known of both, the same lines for any two versions."""
    rows = [
        Fact("Kind", left.get_kind_display(), right.get_kind_display(), is_words=True),
        Fact("Rows", left.rows, right.rows),
        Fact("To train on", left.train_rows, right.train_rows),
        Fact("Held out", left.held_out_rows, right.held_out_rows),
    ]
    one, other = reports
    if one is None or other is None:
        return rows
    for label, name in REPORTED.items():
        rows.append(Fact(label, getattr(one, name), getattr(other, name)))
    for family in Family:
        verdicts = (one.verdict(family).label, other.verdict(family).label)
        rows.append(Fact(f"Verdict for {family.label}", *verdicts, is_words=True))
    return rows


REPORTED = {
    "Different prompts": "prompts",
    "Rows with two answers": "pairs",
    "Rows of several turns": "multi_turn_rows",
    "Median characters, prompt": "median_prompt",
    "Median characters, chosen": "median_chosen",
    "Median characters, rejected": "median_rejected",
}


def findings(left: Report, right: Report) -> list[FindingPair]:
    """Every rule that found something in either, worst first."""
    rules = dict.fromkeys(finding.rule for report in (left, right) for finding in report.findings)
    return [FindingPair(rule, left.finding(rule), right.finding(rule)) for rule in rules]


def overlap(left: DatasetVersion, right: DatasetVersion) -> Overlap | None:
    """Which rows only one of them has: by the diff where one was made from the other, else by the indexes of both.

    None while a worker makes such an index. Raises OSError when a small one cannot be written.
    """
    for parent, child, swapped in ((left, right, False), (right, left, True)):
        diff = diffs.place(child.path, parent.sha256)
        if child.parent_id == parent.pk and diff.is_file():
            return _by_diff(diff, parent, swapped)
    one, other = open_browser(left), open_browser(right)
    if one is None or other is None:
        return None
    return _by_content(one.index, other.index)


def _by_diff(diff: Path, parent: DatasetVersion, swapped: bool) -> Overlap:
    said = diffs.by_change(diff)
    removed, added, changed = said[diffs.REMOVED], said[diffs.ADDED], said[diffs.CHANGED]
    both = parent.rows - removed - changed
    return Overlap(both, *((added, removed) if swapped else (removed, added)), changed)


def _by_content(left: Index, right: Index) -> Overlap:
    """Rows that say the same are equal, however they are labelled, weighted or split; repeats count as often as they
    stand in both."""
    (one, ones), (other, others) = (np.unique(index.contents(), return_counts=True) for index in (left, right))
    _, at_one, at_other = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    both = int(np.minimum(ones[at_one], others[at_other]).sum())
    return Overlap(both, left.rows - both, right.rows - both)


def length_charts(left: tuple[str, Lengths], right: tuple[str, Lengths]) -> dict[str, Any]:
    """Chosen and rejected answers of both, each as a share of its version's rows per 100 characters, so that versions
    of any size and bin width can be laid over each other."""
    charts = {
        side: {"series": [_series(name, lengths, side) for name, lengths in (left, right)]}
        for side in ("chosen", "rejected")
    }
    return {"x": "characters", "charts": charts}


def _series(name: str, lengths: Lengths, side: str) -> dict[str, Any]:
    counts = getattr(lengths, side)
    scale = 100 * 100 / lengths.width / (sum(counts) or 1)
    return steps(name, lengths.width, [round(scale * count, 4) for count in counts])
