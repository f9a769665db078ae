"""Imports before they run and after they have ended: drafts to be confirmed, second starts, and what is swept away.

A draft holds its source and a sample of its rows in `uploads/<import id>.sample.jsonl`, so that the page which asks for
confirmation need not read the source again. An upload stays until its import has given a version, somebody removes
it, or the sweep does.
"""

from __future__ import annotations

import errno
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone

from alignapp import disk
from alignapp.accounts.models import User
from alignapp.celery import call_workers
from training.jobs import LostClaim
from training.models import Dataset, ImportJob, ImportSource, ImportState
from training.preferences import import_queue
from training.preferences.formats import Mapping, recognise
from training.preferences.reading import HubAddress, opened, path_of, sample
from training.preferences.records import Problem, Refusal
from training.preferences.sources import UnreadableFile
from training.preferences.sources.opening import is_parquet
from training.preferences.versions import dataset_named, folder

log = logging.getLogger(__name__)

# How long a draft that nobody confirms is kept, and the upload of an import that gave no version.
KEPT_FOR = timedelta(days=7)
WORK = "training.tasks.work_on_imports"


class NotAllowed(ValueError):
    """A place that may not be read from; the message says which may."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a source, and those among them that are none."""

    rows: list[tuple[int, dict[str, Any]]]
    refusals: list[Refusal]


# --- New drafts ---------------------------------------------------------------------------------------------------


def from_upload(upload: UploadedFile[Any], user: User | None, *, key: UUID | None = None, into: str = "") -> ImportJob:
    """A draft of an uploaded file, whose first rows are looked at now if they are text.

    Raises UnreadableFile and keeps nothing.

    `key` becomes the draft's id: the same form sent twice makes one draft. `into` is the name of its dataset.
    """
    job = _draft(key, (upload.name or "upload.jsonl")[-255:], ImportSource.UPLOAD, user, into)
    job.upload, job.bytes_total = f"uploads/{job.pk}.upload", upload.size or 0
    path = folder("uploads") / f"{job.pk}.upload"
    if not _insert(job):
        return ImportJob.objects.get(pk=job.pk)
    try:
        _keep(upload, path)
        _look_now_or_later(job, path)
    except BaseException:
        discard(job)
        raise
    return job


def from_place(address: HubAddress, user: User | None, *, key: UUID | None = None, into: str = "") -> ImportJob:
    """A draft of a file or folder of this machine; raises NotAllowed or UnreadableFile."""
    path = allowed_place(address.name)
    job = _draft(key, path.name[-255:], ImportSource.PLACE, user, into)
    job.upload = str(address.model_copy(update={"name": str(path)}))
    if path.is_dir():
        return _for_worker(job)
    job.bytes_total = path.stat().st_size
    if not _insert(job):
        return ImportJob.objects.get(pk=job.pk)
    try:
        _look_now_or_later(job, path)
    except BaseException:
        discard(job)
        raise
    return job


def _look_now_or_later(job: ImportJob, path: Path) -> None:
    """Looks at the file's first rows; those of Parquet, which is read by Arrow, are left to a worker."""
    if is_parquet(path, name=job.filename):
        import_queue.leave(job)
        transaction.on_commit(lambda: call_workers(WORK))
    else:
        look(job)


def from_hub(address: HubAddress, user: User | None, *, key: UUID | None = None, into: str = "") -> ImportJob:
    """A draft of a data set by name; a worker looks at its first rows."""
    job = _draft(key, address.name[-255:], ImportSource.HUB, user, into)
    job.upload = str(address)
    return _for_worker(job)


def _draft(key: UUID | None, filename: str, source: ImportSource, user: User | None, into: str) -> ImportJob:
    name = into.strip() or free_name(filename)
    return ImportJob(
        id=key or uuid4(),
        dataset=dataset_named(name, user),
        filename=filename,
        source=source,
        state=ImportState.DRAFT,
        heartbeat_at=timezone.now(),
        created_by=user,
    )


def _for_worker(job: ImportJob) -> ImportJob:
    job.heartbeat_at = None
    _insert(job)
    transaction.on_commit(lambda: call_workers(WORK))
    return job


def _insert(job: ImportJob) -> bool:
    """False when the same form made the draft before."""
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def free_name(filename: str) -> str:
    """A name for a new dataset, after the file: without endings, and not that of a dataset with versions."""
    stem = Path(filename).name.split(".")[0].replace("_", " ").strip()[:100] or "Dataset"
    name, number = stem, 1
    while Dataset.objects.with_versions().filter(name__iexact=name).exists():
        number += 1
        name = f"{stem} {number}"
    return name


def _keep(upload: UploadedFile[Any], path: Path) -> None:
    if isinstance(upload, TemporaryUploadedFile):
        shutil.move(upload.temporary_file_path(), path)
        return
    with path.open("wb") as file:
        for chunk in upload.chunks():
            file.write(chunk)


# --- Places on this machine ---------------------------------------------------------------------------------------


def roots() -> list[Path]:
    """The folders that imports may be read from."""
    return [Path(settings.HOME) / "imports", *map(Path, settings.IMPORT_ROOTS)]


def allowed_place(text: str) -> Path:
    """The file or folder that a person names, links followed; raises NotAllowed. Relative to any allowed folder."""
    within = [root.resolve() for root in roots()]
    for root in within:
        try:
            path = (root / text.strip()).resolve()
        except (OSError, ValueError, RuntimeError):
            continue
        if any(path.is_relative_to(allowed) for allowed in within) and path not in within and path.exists():
            return path
    raise NotAllowed(
        f"There is no file or folder {text.strip()[:200]!r} in the folders that imports may be read from: "
        f"{', '.join(map(str, within))}. IMPORT_ROOTS in the environment names further ones."
    )


# --- Looking ------------------------------------------------------------------------------------------------------


def look(job: ImportJob) -> None:
    """Reads the first rows of a held draft, keeps them and recognises their format; raises UnreadableFile."""
    seen = 0
    with opened(job) as source, _partial(job).open("w", encoding="utf-8") as file:
        for row in sample(source):
            entry = asdict(row) if isinstance(row, Refusal) else {"line": row.line, "value": row.value}
            file.write(json.dumps(entry) + "\n")
            seen += 1
            if seen % 20 == 0:
                import_queue.heartbeat(job, accepted=seen)
        total = source.bytes_total or job.bytes_total
    _partial(job).replace(sample_path(job))
    [best, *_] = recognise(row for _, row in sample_of(job).rows)
    mapping = best.mapping.model_dump(mode="json")
    import_queue.recognised(job, mapping=mapping, bytes_total=total, accepted=0)


def look_in_worker(job: ImportJob) -> None:
    """Looks at a draft that was claimed; one that cannot be read has failed."""
    try:
        look(job)
    except LostClaim:
        log.warning("draft %s was cancelled or taken over", job.pk)
        _partial(job).unlink(missing_ok=True)
    except Exception as error:
        _partial(job).unlink(missing_ok=True)
        log.exception("draft %s cannot be read", job.pk)
        _failed(job, _reason(error))


def _reason(error: Exception) -> str:
    match error:
        case UnreadableFile():
            return str(error)
        case OSError():
            return sentence(error)
    return f"The source could not be read ({type(error).__name__})."


def sentence(error: OSError) -> str:
    """What a failing disk or file means for an import."""
    if error.errno == errno.ENOENT:
        return "The file is no longer there. Nothing was imported; upload or name it again."
    return disk.sentence(error, "Nothing was imported", "start again")


def _failed(job: ImportJob, reason: str) -> None:
    try:
        import_queue.finish(job, ImportState.FAILED, before=ImportState.DRAFT, error=reason)
    except LostClaim:
        log.warning("draft %s was cancelled or taken over", job.pk)


def sample_of(job: ImportJob) -> Sample:
    """What was kept of the source's first rows; empty when there is nothing."""
    rows: list[tuple[int, dict[str, Any]]] = []
    refusals: list[Refusal] = []
    if sample_path(job).exists():
        with sample_path(job).open(encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                if "value" in entry:
                    rows.append((entry["line"], entry["value"]))
                else:
                    refusals.append(Refusal(**entry | {"problem": Problem(entry["problem"])}))
    return Sample(rows, refusals)


def sample_path(job: ImportJob) -> Path:
    return folder("uploads") / f"{job.pk}.sample.jsonl"


def _partial(job: ImportJob) -> Path:
    return folder("uploads") / f".{job.pk}.sample.partial"


# --- Changes of state ---------------------------------------------------------------------------------------------


def confirm(job: ImportJob, mapping: Mapping, dataset: Dataset, held_out_share: float) -> bool:
    """Queues a draft as it was confirmed; False when it is no draft any more (the button was pressed twice)."""
    settled = {"mapping": mapping.model_dump(mode="json"), "dataset": dataset, "held_out_share": held_out_share}
    before = job.dataset
    if not import_queue.confirm(job, **settled):
        return False
    job.refresh_from_db()
    if before != dataset:
        _remove_empty(before)
    transaction.on_commit(lambda: call_workers(WORK))
    return True


def cancel(job: ImportJob) -> bool:
    """Ends a draft or waiting import at once, or has the worker of a running one stop; False when it has ended."""
    asked = import_queue.cancel(job)
    job.refresh_from_db()
    return asked


def start_again(job: ImportJob) -> bool:
    """Makes a draft of an import that failed or was cancelled, as it was settled before; False when it cannot."""
    if not can_start_again(job) or not import_queue.repeat(job, look=not sample_path(job).exists()):
        return False
    job.rejects_path.unlink(missing_ok=True)
    job.refresh_from_db()
    transaction.on_commit(lambda: call_workers(WORK))
    return True


def can_start_again(job: ImportJob) -> bool:
    """Whether the job ended without a version and its source is still there."""
    there = job.source == ImportSource.HUB or path_of(job).exists()
    return job.state in import_queue.REPEATABLE and there


def discard(job: ImportJob) -> None:
    """Removes an import that gave no version, with all that was kept for it."""
    remove_files(job)
    job.rejects_path.unlink(missing_ok=True)
    ImportJob.objects.filter(pk=job.pk, version=None).delete()
    _remove_empty(job.dataset)


def remove_files(job: ImportJob) -> None:
    """Removes upload and sample; a file imported in place belongs to somebody else."""
    for path in (folder("uploads") / f"{job.pk}.upload", sample_path(job), _partial(job)):
        path.unlink(missing_ok=True)


def _remove_empty(dataset: Dataset) -> None:
    """A name that no version and no other import uses."""
    if not dataset.versions.exists() and not dataset.imports.exists():
        Dataset.objects.filter(pk=dataset.pk).delete()


def sweep() -> None:
    """Removes drafts that were left alone, uploads of imports that gave no version, and files of nobody."""
    long_ago = timezone.now() - KEPT_FOR
    for draft in ImportJob.objects.filter(state=ImportState.DRAFT, created_at__lt=long_ago):
        if import_queue.cancel(draft):
            discard(draft)
    for job in ImportJob.objects.filter(state__in=import_queue.REPEATABLE, finished_at__lt=long_ago):
        remove_files(job)
    _remove_orphans(list(folder("uploads").iterdir()), long_ago.timestamp())


def _remove_orphans(paths: Sequence[Path], before: float) -> None:
    """Files that a killed web process left while it received them."""
    for path in paths:
        try:
            old = path.is_file() and path.stat().st_mtime < before
        except FileNotFoundError:
            continue
        if old and not _is_wanted(path):
            path.unlink(missing_ok=True)


def _is_wanted(path: Path) -> bool:
    try:
        key = UUID(path.name.lstrip(".").split(".")[0])
    except ValueError:
        return False
    return ImportJob.objects.filter(pk=key).exclude(state=ImportState.SUCCEEDED).exists()
