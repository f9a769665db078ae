"""What can be said about a sealed version: facts, findings and a verdict per method, the same object everywhere.

A report depends on the sealed file, the rules and the settings alone. It stands beside the file in three parts:

    <sha256>.report-<key>.json      the report
    <sha256>.rows-<key>.parquet     all rows of every finding: rule, row, group (copies, a cycle; else null)
    <sha256>.scores-<key>.parquet   one row per pair, in order: row, then a column for every score

It is made anew under changed rules (checks.identity) or settings, or when it cannot be read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from training.preferences.checks.findings import Family, Finding, Harm, Level, rule_of
from training.preferences.checks.identity import rules_digest
from training.preferences.checks.rules import run_checks
from training.preferences.partials import publish, remove_abandoned, unfinished
from training.preferences.survey import Progress, ReportSettings, Survey, survey

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BINS = 24

FACTS = """
SELECT count(*) AS rows, count(DISTINCT prompt_hash) AS prompts,
       count(*) FILTER (is_pair) AS pairs, count(*) FILTER (is_multi_turn) AS multi_turn_rows,
       median(prompt_length) AS prompt, median(chosen_length) AS chosen, median(rejected_length) AS rejected
FROM measures
"""


class Verdict(StrEnum):
    """Whether to train with a family of methods: the worst level that any finding has for it."""

    DO_NOT_TRAIN = "do_not_train"
    NEEDS_ATTENTION = "needs_attention"
    SAFE = "safe"

    @property
    def label(self) -> str:
        return {"do_not_train": "Do not train", "needs_attention": "Needs attention", "safe": "Safe"}[self]


VERDICTS = {Level.ERROR: Verdict.DO_NOT_TRAIN, Level.WARNING: Verdict.NEEDS_ATTENTION, Level.INFO: Verdict.SAFE}


@dataclass(frozen=True, slots=True)
class Lengths:
    """Two histograms over the same bins of `width` characters; the last bin also holds all longer answers."""

    width: int
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Facts and findings about one sealed version; lengths in characters.

    `scores` names the columns of the file of scores; `notes` says by what means something was found ("embeddings").
    """

    settings: ReportSettings
    rows: int
    prompts: int
    pairs: int
    multi_turn_rows: int
    median_prompt: float
    median_chosen: float
    median_rejected: float | None
    lengths: Lengths
    findings: tuple[Finding, ...]
    scores: tuple[str, ...] = ()
    notes: Mapping[str, str] | None = None

    def to_json(self, **said: str) -> str:
        """The same object for programs; what follows from it stands beside: verdicts, levels, and whether the rows of a
        finding are its first ones only. `said` goes along."""
        verdicts = {
            family.value: {"verdict": self.verdict(family).value, "because": [f.rule for f in self.reasons(family)]}
            for family in Family
        }
        found = [{**asdict(f), "level": f.level, "rows_cut": f.rows_cut} for f in self.findings]
        values = {**said, **asdict(self), "findings": found, "settings": self.settings.model_dump()}
        return json.dumps({**values, "verdicts": verdicts})

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Raises ValueError, TypeError or KeyError when the text is not a report of this form."""
        values: dict[str, Any] = json.loads(text)
        lengths = values.pop("lengths")
        findings = values.pop("findings")
        values.pop("verdicts", None)  # they follow from the findings
        return cls(
            settings=ReportSettings.model_validate(values.pop("settings")),
            lengths=Lengths(lengths["width"], tuple(lengths["chosen"]), tuple(lengths["rejected"])),
            findings=tuple(_finding(finding) for finding in findings),
            scores=tuple(values.pop("scores")),
            **values,
        )

    def finding(self, rule: str) -> Finding | None:
        """What the named rule found, if anything; of a part's name the finding that it is a part of."""
        return next((finding for finding in self.findings if finding.rule == rule_of(rule)), None)

    def verdict(self, family: Family) -> Verdict:
        """See Verdict."""
        levels = {finding.harms[family].level for finding in self.findings if family in finding.harms}
        return VERDICTS[min(levels, key=list(Level).index, default=Level.INFO)]

    def reasons(self, family: Family) -> list[Finding]:
        """The findings that decide the verdict for a family; none when it is safe."""
        verdict = self.verdict(family)
        if verdict == Verdict.SAFE:
            return []
        return [f for f in self.findings if family in f.harms and VERDICTS[f.harms[family].level] == verdict]


def _finding(values: dict[str, Any]) -> Finding:
    share = values.pop("share")
    harms = values.pop("harms")
    for derived in ("level", "rows_cut"):
        values.pop(derived, None)
    return Finding(
        harms={Family(family): Harm(Level(harm["level"]), harm["why"]) for family, harm in harms.items()},
        rows=tuple(values.pop("rows")),
        actions=tuple(values.pop("actions")),
        parts=tuple(values.pop("parts", ())),
        share=None if share is None else tuple(share),
        **values,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where the parts of a report on a sealed file stand."""

    path: Path
    key: str

    @property
    def report(self) -> Path:
        return self.path.with_suffix(f".report-{self.key}.json")

    @property
    def rows(self) -> Path:
        return self.path.with_suffix(f".rows-{self.key}.parquet")

    @property
    def scores(self) -> Path:
        return self.path.with_suffix(f".scores-{self.key}.parquet")

    @property
    def rules(self) -> str:
        """The part of the key that names the rules."""
        return self.key.partition("-")[0]

    @property
    def exists(self) -> bool:
        """Whether the report is there; its other parts are written before it."""
        return self.report.exists()

    @property
    def is_readable(self) -> bool:
        """Whether the report is there and can be read; once found so, it is taken for so until it changes."""
        return _is_readable(self, _made(self.report))

    def read(self) -> Report | None:
        """The report that stands here; None where there is none, or none that can be read."""
        try:
            return Report.from_json(self.report.read_text())
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None  # absent, cut off or of another form: all the same, it can be made again

    def remove(self) -> None:
        """The report itself first: it stands for the whole."""
        for part in (self.report, self.rows, self.scores):
            part.unlink(missing_ok=True)


@lru_cache(maxsize=4096)
def _is_readable(found: Place, made: int) -> bool:
    return made > 0 and found.read() is not None


def place(path: Path, settings: ReportSettings | None = None) -> Place:
    """Where the report on a sealed file under these settings stands, or would stand."""
    # The check of the base is read from its inspection, not from the report.
    chosen = (settings or ReportSettings()).model_dump_json(exclude={"base"})
    digest = hashlib.sha256(chosen.encode()).hexdigest()
    return Place(path, f"{rules_digest()[:8]}-{digest[:8]}")


def places(path: Path) -> list[Place]:
    """Where reports on a sealed file stand, by whatever rules and settings; the one that was made last is first."""
    start, end = f"{path.stem}.report-", ".json"
    made = [(_made(found), found.name) for found in path.parent.glob(f"{start}*{end}")]
    return [Place(path, name.removeprefix(start).removesuffix(end)) for _, name in sorted(made, reverse=True)]


def _made(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0  # removed just now


def report_on(
    path: Path,
    settings: ReportSettings | None = None,
    *,
    targets: Mapping[str, list[str]] | None = None,
    evaluations: Mapping[str, list[str]] | None = None,
    names: Mapping[str, str] | None = None,
    progress: Progress = lambda _: None,
) -> Report:
    """The report on a sealed file: the stored one, else a new one, which is stored. By key of a prompt set, `targets`
    and `evaluations` give its prompts, `names` what people call it."""
    found = place(path, settings).read()
    if found is not None:
        return found
    with survey(path, settings, targets=targets, evaluations=evaluations, names=names, progress=progress) as subject:
        report = examine(subject)
        _write(place(path, settings), report, subject)
    return report


def examine(subject: Survey) -> Report:
    """Apply every rule to a sealed file."""
    facts = subject.database.execute(FACTS).fetchone()
    assert facts is not None, "an aggregate always yields a row"
    rows, prompts, pairs, multi_turn, prompt, chosen, rejected = facts
    lengths = _lengths(subject.database)
    run_checks(subject)
    findings, scores = tuple(subject.found), tuple(subject.scores)
    medians = (prompt, chosen, rejected)
    return Report(
        subject.settings, rows, prompts, pairs, multi_turn, *medians, lengths, findings, scores, dict(subject.notes)
    )


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


def _write(target: Place, report: Report, subject: Survey) -> None:
    """All parts are written before the first appears; the report itself appears last, as it stands for the whole."""
    for part in ("report", "rows", "scores"):
        remove_abandoned(target.path.parent, f".{target.path.stem}.{part}-*.partial")
    with ExitStack() as stack:
        parts = {path: stack.enter_context(unfinished(path)) for path in (target.rows, target.scores, target.report)}
        _write_table(parts[target.rows], _rows_table(subject))
        _write_table(parts[target.scores], _scores_table(subject))
        parts[target.report].write(report.to_json().encode())
        for path, file in parts.items():
            publish(file, path)


def _rows_table(subject: Survey) -> Any:
    import pyarrow as pa

    schema = pa.schema([("rule", pa.string()), ("row", pa.int64()), ("group", pa.int64())])
    tables = [
        pa.table(
            [pa.array([rule] * len(found.rows)), pa.array(found.rows), _optional(found.groups, len(found.rows))],
            schema=schema,
        )
        for rule, found in subject.found.rows.items()
    ]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _optional(groups: Any, length: int) -> Any:
    import pyarrow as pa

    return pa.nulls(length, pa.int64()) if groups is None else pa.array(groups, pa.int64())


def _scores_table(subject: Survey) -> Any:
    import numpy as np
    import pyarrow as pa

    return pa.table({"row": pa.array(np.arange(subject.rows)), **{n: pa.array(v) for n, v in subject.scores.items()}})


def _write_table(file: IO[bytes], table: Any) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, file, compression="zstd", use_dictionary=["rule"] if "rule" in table.column_names else False)
