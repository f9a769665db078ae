"""From a source to a sealed DatasetVersion.

A version's row and its file appear together or not at all. What could not be used is listed in
`rejects/<import id>.jsonl`; an import that ends in whatever way leaves no other file behind, except that the upload of
one that gave no version is kept for another start (drafts.py says how long).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from alignapp import garbage
from alignapp.accounts.models import User
from alignapp.celery import call_workers
from training.jobs import CancelRequested, LostClaim
from training.models import Dataset, DatasetVersion, ImportJob, ImportSource, ImportState
from training.preferences import drafts, import_queue, reporting
from training.preferences.formats import Mapping, converter, recognise
from training.preferences.formats.recognition import refused as refusal_of
from training.preferences.reading import HubAddress, opened, sample
from training.preferences.records import Problem, Refusal, RowProblem
from training.preferences.refused import RefusedRows
from training.preferences.sealing import SealedWriter
from training.preferences.sources import Source, SourceRow, UnreadableFile
from training.preferences.splits import DEFAULT_SHARE, PromptSplit
from training.preferences.versions import create_version, dataset_named, folder, seal

__all__ = ["Tally", "dataset_named", "import_file", "import_from_hub", "run_import", "seal", "work"]

log = logging.getLogger(__name__)

SECONDS_BETWEEN_HEARTBEATS = 1.0
# A source of which so many rows, from the first on, cannot be used is not what its sender thinks it is.
HOPELESS_AFTER = 100_000


class ImportFailed(Exception):
    """Nothing was imported; the message says what happened and what to do."""


@dataclass
class Tally:
    """What became of the rows: rows = accepted + refused, lines = blank + rows."""

    blank: int = 0
    accepted: int = 0
    pairs: int = 0
    problems: Counter[Problem] = field(default_factory=Counter)

    @property
    def refused(self) -> int:
        return self.problems.total()

    @property
    def rows(self) -> int:
        return self.accepted + self.refused

    def as_origin(self) -> dict[str, Any]:
        return {
            "lines": self.rows + self.blank,
            "blank": self.blank,
            "accepted": self.accepted,
            "rejected": self.refused,
            "problems": {problem.value: count for problem, count in self.problems.most_common()},
        }


def import_file(
    path: Path,
    dataset: Dataset,
    *,
    mapping: Mapping | None = None,
    held_out_share: float = DEFAULT_SHARE,
    split: str = "",
    config: str = "",
    user: User | None = None,
    on_progress: Callable[[ImportJob], None] | None = None,
) -> ImportJob:
    """Imports a file or folder of this machine now, in this process; it stays where it is.

    Without a mapping the format is recognised from the first rows. `split` and `config` are a folder's.
    """
    job = ImportJob(
        dataset=dataset,
        filename=path.name[:255],
        source=ImportSource.PLACE,
        upload=str(HubAddress(name=str(path.resolve()), split=split, config=config)),
        held_out_share=held_out_share,
        bytes_total=path.stat().st_size if path.is_file() else 0,
        created_by=user,
    )
    return _import_now(job, mapping, on_progress)


def import_from_hub(
    address: HubAddress,
    dataset: Dataset,
    *,
    mapping: Mapping | None = None,
    held_out_share: float = DEFAULT_SHARE,
    on_progress: Callable[[ImportJob], None] | None = None,
) -> ImportJob:
    """Imports a data set of a hub by its name, now, in this process; else as import_file."""
    job = ImportJob(
        dataset=dataset,
        filename=address.name[-255:],
        source=ImportSource.HUB,
        upload=str(address),
        held_out_share=held_out_share,
    )
    return _import_now(job, mapping, on_progress)


def _import_now(job: ImportJob, mapping: Mapping | None, on_progress: Callable[[ImportJob], None] | None) -> ImportJob:
    job.mapping = mapping.model_dump(mode="json") if mapping else {}
    job.state, job.heartbeat_at = ImportState.RUNNING, timezone.now()
    job.save(force_insert=True)
    try:
        _run(job, on_progress)
    except KeyboardInterrupt:
        _end(job, ImportState.CANCELLED)
        raise
    job.refresh_from_db()
    return job


def work() -> None:
    """Looks at new sources, runs waiting imports, one after the other, then makes a report that is missing.

    Only one: an import that came meanwhile, or other work of this queue, has its turn before the next.
    """
    while job := import_queue.claim_draft():
        drafts.look_in_worker(job)
    while job := import_queue.claim():
        _run(job)
    drafts.sweep()
    if reporting.make_next():
        call_workers("training.tasks.work_on_imports")


def run_import(import_id: UUID) -> None:
    """Runs one import if it waits or was abandoned by its worker; otherwise does nothing."""
    if job := import_queue.claim(import_id):
        _run(job)


def _run(job: ImportJob, on_progress: Callable[[ImportJob], None] | None = None) -> None:
    """Brings a held job to an end, whatever happens; only a lost claim leaves it to its new holder."""
    try:
        _remove_partials(job)
        with garbage.only_new():
            _import(job, on_progress)
    except LostClaim:
        log.warning("import %s was taken over by another worker", job.pk)
    except CancelRequested:
        _end(job, ImportState.CANCELLED)
    except ImportFailed as failure:
        _end(job, ImportState.FAILED, str(failure))
    except UnreadableFile as error:
        _end(job, ImportState.FAILED, f"{error} Nothing was imported.")
    except OSError as error:
        log.exception("import %s failed", job.pk)
        _end(job, ImportState.FAILED, drafts.sentence(error))
    except Exception as error:
        log.exception("import %s failed", job.pk)
        reason = f"The import stopped on an unexpected error ({type(error).__name__}). Nothing was imported."
        _end(job, ImportState.FAILED, f"{reason} The worker's log has the details.")
    else:
        drafts.remove_files(job)


def _end(job: ImportJob, state: ImportState, error: str = "") -> None:
    try:
        import_queue.finish(job, state, error=error)
    except LostClaim:
        log.warning("import %s was taken over by another worker", job.pk)


def _import(job: ImportJob, on_progress: Callable[[ImportJob], None] | None) -> DatasetVersion:
    """Reads the job's source into a version; raises ImportFailed when no row can be used."""
    with (
        opened(job) as source,
        SealedWriter(folder("datasets"), PromptSplit(job.held_out_share), name=f"import-{job.pk}") as writer,
        RefusedRows(job.rejects_path) as refused,
    ):
        rows = iter(source)
        mapping, rows = (Mapping.model_validate(job.mapping), rows) if job.mapping else _recognised(rows)
        reading = _Reading(job, source, mapping, writer, refused, on_progress)
        tally = reading.read(rows)
        if not tally.accepted:
            refused.publish()
            raise ImportFailed(_nothing_usable(tally, mapping))
        sealed = writer.finish()
        with transaction.atomic():
            version = create_version(job.dataset, sealed, _origin(job, mapping, tally), job.created_by)
            result: dict[str, Any] = {**reading.progress(), "mapping": mapping.model_dump(mode="json")}
            import_queue.finish(job, ImportState.SUCCEEDED, version=version, **result)
            refused.publish()
            writer.publish(sealed)
    return version


def _recognised(rows: Iterator[SourceRow | Refusal]) -> tuple[Mapping, Iterator[SourceRow | Refusal]]:
    """The best mapping for the first rows, and all rows."""
    first = list(sample(rows))
    [best, *_] = recognise(row.value for row in first if isinstance(row, SourceRow))
    return best.mapping, chain(first, rows)


def _origin(job: ImportJob, mapping: Mapping, tally: Tally) -> dict[str, Any]:
    """What the version's page says about where its rows came from."""
    origin: dict[str, Any] = {"kind": "upload", "label": job.filename, "import": str(job.pk), **tally.as_origin()}
    origin["format"] = mapping.format.label
    if mapping.rule:
        origin |= {"rule": mapping.rule, "pairs": tally.pairs}
    return origin


@dataclass
class _Reading:
    """One pass over a source: sends every row where it belongs and says about once a second how far it has come."""

    job: ImportJob
    source: Source
    mapping: Mapping
    writer: SealedWriter
    refused: RefusedRows
    on_progress: Callable[[ImportJob], None] | None
    tally: Tally = field(default_factory=Tally)

    def read(self, rows: Iterator[SourceRow | Refusal]) -> Tally:
        tally, read, add = self.tally, converter(self.mapping), self.writer.add
        due = monotonic() + SECONDS_BETWEEN_HEARTBEATS
        for row in rows:
            if isinstance(row, Refusal):
                self._refuse(row)
            else:
                try:
                    pairs = read(row.value, row.line)
                except RowProblem as problem:
                    self._refuse(refusal_of(row.line, row.value, problem))
                else:
                    for pair in pairs:
                        add(pair)
                    tally.accepted += 1
                    tally.pairs += len(pairs)
            if monotonic() >= due:
                self._say()
                due = monotonic() + SECONDS_BETWEEN_HEARTBEATS
            if not tally.accepted and tally.refused >= HOPELESS_AFTER:
                break
        tally.blank = self.source.blank
        self._say()
        return tally

    def progress(self) -> dict[str, int]:
        """The job's fields that say how far it has come."""
        return {
            "bytes_read": self.source.bytes,
            "bytes_total": self.source.bytes_total or self.job.bytes_total,
            "accepted": self.tally.accepted,
            "rejected": self.tally.refused,
            "pairs": self.tally.pairs,
        }

    def _refuse(self, refusal: Refusal) -> None:
        self.refused.add(refusal)
        self.tally.problems[refusal.problem] += 1

    def _say(self) -> None:
        import_queue.heartbeat(self.job, **self.progress())
        if self.on_progress:
            self.on_progress(self.job)


def _nothing_usable(tally: Tally, mapping: Mapping) -> str:
    """Why a source gave no version, in sentences."""
    if not tally.refused:
        return f"The file holds no rows: its {tally.blank:,} lines are blank." if tally.blank else "The file is empty."
    if tally.refused >= HOPELESS_AFTER:
        said = f"None of the first {tally.refused:,} rows can be used, so reading stopped there."
    else:
        said = (
            f"None of the {tally.refused:,} rows can be used." if tally.refused > 1 else "Its one row cannot be used."
        )
    causes = "; ".join(f"{problem.label}: {count:,}" for problem, count in tally.problems.most_common(3))
    return f"{said} Nothing was imported. {causes}. They were read as “{mapping.format.label}”."


def _remove_partials(job: ImportJob) -> None:
    """Clears what a killed attempt at the same import left."""
    left = [*folder("datasets").glob(f".import-{job.pk}-*"), *folder("rejects").glob(f".{job.pk}-*")]
    for path in left:
        path.unlink(missing_ok=True)
