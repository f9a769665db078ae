"""What can be said about a sealed version: facts, lengths and findings, as one object for page, command and JSON.

A report depends on the sealed file and the rules alone, so it is stored beside it under the same
digest, and made anew under changed rules or when the stored one cannot be read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from training.preferences import store
from training.preferences.checks import RULES_VERSION, run_checks
from training.preferences.checks.findings import Finding, Level

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BINS = 24
# Up to so many rows a report is made within a second, so a page may wait for it.
ROWS_MADE_AT_ONCE = 20_000

FACTS = """
SELECT count(*) AS rows, count(DISTINCT prompt_hash) AS prompts,
       count(*) FILTER (is_pair) AS pairs, count(*) FILTER (is_multi_turn) AS multi_turn_rows,
       median(prompt_length) AS prompt, median(chosen_length) AS chosen, median(rejected_length) AS rejected
FROM measures
"""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Two histograms over the same bins of `width` characters; the last bin also holds all longer answers."""

    width: int
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Facts and findings about one sealed version; lengths in characters."""

    rows: int
    prompts: int
    pairs: int
    multi_turn_rows: int
    median_prompt: float
    median_chosen: float
    median_rejected: float | None
    lengths: Lengths
    findings: tuple[Finding, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Raises ValueError, TypeError or KeyError when the text is not a report of this form."""
        values: dict[str, Any] = json.loads(text)
        lengths = values.pop("lengths")
        findings = values.pop("findings")
        return cls(
            lengths=Lengths(lengths["width"], tuple(lengths["chosen"]), tuple(lengths["rejected"])),
            findings=tuple(_finding(finding) for finding in findings),
            **values,
        )

    def finding(self, rule: str) -> Finding | None:
        """What the named rule found, if anything."""
        return next((finding for finding in self.findings if finding.rule == rule), None)


def _finding(values: dict[str, Any]) -> Finding:
    share = values.pop("share")
    return Finding(
        level=Level(values.pop("level")),
        rows=tuple(values.pop("rows")),
        share=None if share is None else tuple(share),
        **values,
    )


def stored_path(path: Path) -> Path:
    """Where the report on a sealed file stands, under its digest and the version of the rules."""
    return path.with_suffix(f".report-{RULES_VERSION}.json")


def report_on(path: Path) -> Report:
    """The report on a sealed file: the stored one if it can be read, else a new one, which is stored."""
    stored = stored_path(path)
    try:
        return Report.from_json(stored.read_text())
    except (OSError, ValueError, TypeError, KeyError):
        pass  # Absent, cut off or of another form: all the same, it can be made again.
    report = make_report(path)
    _write(stored, report.to_json())
    return report


def report_without_waiting(path: Path, rows: int) -> Report | None:
    """The report if it is stored or soon made; None when a worker has yet to make it."""
    return report_on(path) if rows <= ROWS_MADE_AT_ONCE or stored_path(path).exists() else None


def make_report(path: Path) -> Report:
    """Runs every rule over a sealed file."""
    with store.measured(path) as database:
        facts = database.execute(FACTS).fetchone()
        assert facts is not None, "an aggregate always yields a row"
        rows, prompts, pairs, multi_turn, prompt, chosen, rejected = facts
        lengths = _lengths(database)
        findings = tuple(run_checks(database))
    return Report(rows, prompts, pairs, multi_turn, prompt, chosen, rejected, lengths, findings)


def _lengths(database: DuckDBPyConnection) -> Lengths:
    """Bins up to the 99th percentile of both sides, so that one huge answer does not flatten the picture."""
    query = "SELECT greatest(quantile_cont(chosen_length, 0.99), quantile_cont(rejected_length, 0.99)) FROM measures"
    record = database.execute(query).fetchone()
    longest = record[0] if record and record[0] else 1
    width = _round_width(longest / BINS)
    return Lengths(width, _histogram(database, "chosen_length", width), _histogram(database, "rejected_length", width))


def _histogram(database: DuckDBPyConnection, column: str, width: int) -> tuple[int, ...]:
    query = f"""SELECT least({column} // {width}, {BINS - 1})::INTEGER AS bin, count(*) FROM measures
                WHERE {column} IS NOT NULL GROUP BY bin"""
    counts = dict(database.execute(query).fetchall())
    return tuple(counts.get(number, 0) for number in range(BINS))


def _round_width(width: float, steps: Sequence[int] = (1, 2, 5)) -> int:
    """The next of 1, 2, 5, 10, 20, 50 … that is not below `width`."""
    scale = 1
    while True:
        for step in steps:
            if step * scale >= width:
                return step * scale
        scale *= 10


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{uuid4().hex}.partial")
    partial.write_text(text)
    os.replace(partial, path)
