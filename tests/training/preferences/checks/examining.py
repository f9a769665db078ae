"""One rule on a few pairs, for the tests of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from training.preferences.checks.findings import Findings
from training.preferences.records import Pair
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit
from training.preferences.survey import ReportSettings, Survey, survey


def examined(
    rule: Callable[[Survey], None], pairs: Iterable[Pair], folder: Path, settings: ReportSettings | None = None
) -> Survey:
    """The survey of sealed pairs after one rule; its database is closed by then."""
    with survey(seal_pairs(pairs, folder, PromptSplit()).path, settings) as subject:
        rule(subject)
        assert subject.rows  # worked out while the database is open
    return subject


def found_by(rule: Callable[[Survey], None], pairs: Iterable[Pair], folder: Path) -> dict[str, Any]:
    """What one rule finds, by the name of the finding."""
    found: Findings = examined(rule, pairs, folder).found
    return {finding.rule: finding for finding in found}
