"""From a file, or from pairs another part of the program made, to a sealed DatasetVersion.

A version's row and its file appear together or not at all. What could not be used is listed in
`rejects/<import id>.jsonl`; an import that ends in whatever way leaves no other file behind.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.text import slugify

from alignapp.accounts.models import User
from alignapp.celery import call_workers
from training.models import Dataset, DatasetVersion, ImportJob, ImportState
from training.preferences import import_queue, reporting
from training.preferences.formats import JsonLines, UnreadableFile, hint, refuse_foreign
from training.preferences.import_queue import CancelRequested, LostClaim
from training.preferences.records import Pair, Problem, check
from training.preferences.refused import RefusedRows
from training.preferences.sealing import Sealed, SealedWriter
from training.preferences.splits import DEFAULT_SHARE, PromptSplit

log = logging.getLogger(__name__)

SECONDS_BETWEEN_HEARTBEATS = 1.0
# A file of which so many rows, from the first on, cannot be used is not what its sender thinks it is.
HOPELESS_AFTER = 100_000
READ_BUFFER = 1024 * 1024
# Words that stand where a slug stands in the addresses of datasets.
RESERVED_SLUGS = {"new", "imports"}


class ImportFailed(Exception):
    """Nothing was imported; the message says what happened and what to do."""


@dataclass
class Tally:
    """What became of the rows: lines = blank + accepted + refused."""

    lines: int = 0
    blank: int = 0
    accepted: int = 0
    problems: Counter[Problem] = field(default_factory=Counter)

    @property
    def refused(self) -> int:
        return self.problems.total()

    def as_origin(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "blank": self.blank,
            "accepted": self.accepted,
            "rejected": self.refused,
            "problems": {problem.value: count for problem, count in self.problems.most_common()},
        }


# --- Datasets and versions ----------------------------------------------------------------------------------------


def dataset_named(name: str, user: User | None = None) -> Dataset:
    """The dataset of this name, made if there is none."""
    name = name.strip()
    with transaction.atomic():
        existing = Dataset.objects.filter(name__iexact=name).first()
        return existing or Dataset.objects.create(name=name, slug=_free_slug(name), created_by=user)


def _free_slug(name: str) -> str:
    stem = slugify(name)[:40].strip("-") or "dataset"
    slug, number = stem, 1
    while slug in RESERVED_SLUGS or Dataset.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{stem}-{number}"
    return slug


def seal(
    dataset: Dataset,
    pairs: Iterable[Pair],
    origin: dict[str, Any],
    *,
    user: User | None = None,
    parent: DatasetVersion | None = None,
    held_out_share: float = DEFAULT_SHARE,
) -> DatasetVersion:
    """A new version of the dataset from pairs, streamed; raises RowProblem for a pair no method could use.

    `origin` says where the rows come from, for the version's page: `kind` (a word), `label` (for people),
    `url` (optional, of the page about the source), and any further facts. Raises NothingToSeal for no pairs.
    """
    with SealedWriter(_folder("datasets"), PromptSplit(held_out_share)) as writer:
        for pair in pairs:
            check(pair)
            writer.add(pair)
        sealed = writer.finish()
        with transaction.atomic():
            version = _create_version(dataset, sealed, origin, user, parent)
            writer.publish(sealed)
    return version


def _create_version(
    dataset: Dataset, sealed: Sealed, origin: dict[str, Any], user: User | None, parent: DatasetVersion | None = None
) -> DatasetVersion:
    Dataset.objects.select_for_update().get(pk=dataset.pk)  # Two imports at once take different numbers.
    latest = dataset.versions.aggregate(latest=Max("number"))["latest"] or 0
    return DatasetVersion.objects.create(
        dataset=dataset,
        number=latest + 1,
        kind=sealed.kind,
        sha256=sealed.sha256,
        size_bytes=sealed.size,
        rows=sealed.rows,
        train_rows=sealed.train_rows,
        held_out_rows=sealed.held_out_rows,
        origin=origin,
        parent=parent,
        created_by=user,
    )


# --- Imports ------------------------------------------------------------------------------------------------------


def queue_upload(upload: UploadedFile[Any], dataset: Dataset, held_out_share: float, user: User | None) -> ImportJob:
    """Keeps an uploaded file until a worker has imported it."""
    job = ImportJob(
        dataset=dataset,
        filename=(upload.name or "upload.jsonl")[:255],
        held_out_share=held_out_share,
        bytes_total=upload.size or 0,
        created_by=user,
    )
    path = _folder("uploads") / f"{job.pk}.jsonl"
    job.upload = str(path.relative_to(settings.HOME))
    try:
        with transaction.atomic():
            job.save()
            _keep(upload, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    transaction.on_commit(lambda: call_workers("training.tasks.work_on_imports"))
    return job


def _keep(upload: UploadedFile[Any], path: Path) -> None:
    if isinstance(upload, TemporaryUploadedFile):
        shutil.move(upload.temporary_file_path(), path)
        return
    with path.open("wb") as file:
        for chunk in upload.chunks():
            file.write(chunk)


def import_file(
    path: Path,
    dataset: Dataset,
    *,
    held_out_share: float = DEFAULT_SHARE,
    user: User | None = None,
    on_progress: Callable[[ImportJob], None] | None = None,
) -> ImportJob:
    """Imports a file of this machine now, in this process; the file stays where it is."""
    job = ImportJob.objects.create(
        dataset=dataset,
        filename=path.name[:255],
        upload=str(path.resolve()),
        held_out_share=held_out_share,
        bytes_total=path.stat().st_size,
        created_by=user,
        state=ImportState.RUNNING,
        heartbeat_at=timezone.now(),
    )
    try:
        _run(job, on_progress)
    except KeyboardInterrupt:
        _end(job, ImportState.CANCELLED)
        raise
    job.refresh_from_db()
    return job


def cancel(job: ImportJob) -> bool:
    """Ends a waiting import at once, or has the worker of a running one stop; False when it has ended already."""
    asked = import_queue.cancel(job)
    job.refresh_from_db()
    if job.state == ImportState.CANCELLED:
        _remove_upload(job)
    return asked


def work() -> None:
    """Runs waiting imports, one after the other, then makes the reports that are missing."""
    while job := import_queue.claim():
        _run(job)
    reporting.make_missing()


def run_import(import_id: UUID) -> None:
    """Runs one import if it waits or was abandoned by its worker; otherwise does nothing."""
    if job := import_queue.claim(import_id):
        _run(job)


def _run(job: ImportJob, on_progress: Callable[[ImportJob], None] | None = None) -> None:
    """Brings a held job to an end, whatever happens; only a lost claim leaves it to its new holder."""
    try:
        _remove_partials(job)
        _import(job, on_progress)
    except LostClaim:
        log.warning("import %s was taken over by another worker", job.pk)
        return
    except CancelRequested:
        _end(job, ImportState.CANCELLED)
    except ImportFailed as failure:
        _end(job, ImportState.FAILED, str(failure))
    except OSError as error:
        log.exception("import %s failed", job.pk)
        _end(job, ImportState.FAILED, _sentence(error))
    except Exception as error:
        log.exception("import %s failed", job.pk)
        reason = f"The import stopped on an unexpected error ({type(error).__name__}). Nothing was imported."
        _end(job, ImportState.FAILED, f"{reason} The worker's log has the details.")
    else:
        _remove_upload(job)


def _end(job: ImportJob, state: ImportState, error: str = "") -> None:
    try:
        import_queue.finish(job, state, error=error)
    except LostClaim:
        log.warning("import %s was taken over by another worker", job.pk)
    else:
        _remove_upload(job)


def _import(job: ImportJob, on_progress: Callable[[ImportJob], None] | None) -> DatasetVersion:
    """Reads the job's file into a version; raises ImportFailed when no row can be used."""
    split = PromptSplit(job.held_out_share)
    with (
        (Path(settings.HOME) / job.upload).open("rb", buffering=READ_BUFFER) as stream,
        SealedWriter(_folder("datasets"), split, name=f"import-{job.pk}") as writer,
        RefusedRows(job.rejects_path) as refused,
    ):
        head = stream.read(1024)
        stream.seek(0)
        _refuse_foreign(head)
        tally = _read(job, JsonLines(stream), writer, refused, on_progress)
        if not tally.accepted:
            refused.publish()
            raise ImportFailed(_nothing_usable(tally, head))
        sealed = writer.finish()
        origin = {"kind": "upload", "label": job.filename, "import": str(job.pk), **tally.as_origin()}
        with transaction.atomic():
            version = _create_version(job.dataset, sealed, origin, job.created_by)
            import_queue.finish(job, ImportState.SUCCEEDED, version=version, **_progress(tally, job.bytes_total))
            refused.publish()
            writer.publish(sealed)
    return version


def _read(
    job: ImportJob,
    rows: JsonLines,
    writer: SealedWriter,
    refused: RefusedRows,
    on_progress: Callable[[ImportJob], None] | None,
) -> Tally:
    """Sends every row where it belongs and says about once a second how far it has come."""
    tally = Tally()
    due = monotonic() + SECONDS_BETWEEN_HEARTBEATS
    for row in rows:
        if isinstance(row, Pair):
            writer.add(row)
            tally.accepted += 1
        else:
            refused.add(row)
            tally.problems[row.problem] += 1
        if monotonic() >= due:
            import_queue.heartbeat(job, **_progress(tally, rows.bytes))
            due = monotonic() + SECONDS_BETWEEN_HEARTBEATS
            if on_progress:
                on_progress(job)
        if not tally.accepted and tally.refused >= HOPELESS_AFTER:
            break
    tally.lines, tally.blank = rows.lines, rows.blank
    import_queue.heartbeat(job, **_progress(tally, rows.bytes))
    return tally


def _progress(tally: Tally, bytes_read: int) -> dict[str, int]:
    return {"bytes_read": bytes_read, "accepted": tally.accepted, "rejected": tally.refused}


def _refuse_foreign(head: bytes) -> None:
    try:
        refuse_foreign(head)
    except UnreadableFile as error:
        raise ImportFailed(f"{error} Nothing was imported.") from error


def _nothing_usable(tally: Tally, head: bytes) -> str:
    """Why a file gave no version, in sentences."""
    if not tally.refused:
        return f"The file holds no rows: its {tally.lines:,} lines are blank." if tally.lines else "The file is empty."
    if tally.refused >= HOPELESS_AFTER:
        said = f"None of the first {tally.refused:,} rows can be used, so reading stopped there."
    else:
        said = (
            f"None of the {tally.refused:,} rows can be used." if tally.refused > 1 else "Its one row cannot be used."
        )
    causes = "; ".join(f"{problem.label}: {count:,}" for problem, count in tally.problems.most_common(3))
    return f"{said} Nothing was imported. {causes}. {hint(head)}".strip()


def _sentence(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            return "The uploaded file is no longer there. Nothing was imported; upload it again."
        case errno.ENOSPC | errno.EDQUOT:
            return "The disk is full. Nothing was imported; make room and upload the file again."
    return f"The file could not be read or written ({error.strerror or error}). Nothing was imported."


def _remove_partials(job: ImportJob) -> None:
    """Clears what a killed attempt at the same import left."""
    left = [*_folder("datasets").glob(f".import-{job.pk}-*"), *_folder("rejects").glob(f".{job.pk}-*")]
    for path in left:
        path.unlink(missing_ok=True)


def _remove_upload(job: ImportJob) -> None:
    """The file was kept for this import; a file imported in place belongs to somebody else."""
    path = Path(settings.HOME) / job.upload
    if path.parent == _folder("uploads"):
        path.unlink(missing_ok=True)


def _folder(name: str) -> Path:
    folder = Path(settings.HOME) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
