"""Datasets and their sealed versions, whose row and file appear together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.text import slugify

from alignapp.accounts.models import User
from alignapp.celery import call_workers
from training.models import Dataset, DatasetVersion
from training.preferences.names import plain_name
from training.preferences.records import Pair, check
from training.preferences.sealing import Sealed, SealedWriter
from training.preferences.splits import DEFAULT_SHARE, PromptSplit

# Words that stand where a slug stands in the addresses of datasets.
RESERVED_SLUGS = {"new", "imports"}


def _nothing(_: Any) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How somebody follows a version being made."""

    name: str = "pairs"
    """How names of the files in the making begin, to tell what a killed process left behind."""
    done: Callable[[int], None] = _nothing
    """Told how many rows are written, as often as it may be."""
    published: Callable[[DatasetVersion], None] = _nothing
    """Called in the transaction in which the version appears; what it raises undoes that."""


def dataset_named(name: str, user: User | None = None) -> Dataset:
    """The dataset of this name, made if there is none."""
    name = plain_name(name) or "Dataset"
    while True:
        if existing := Dataset.objects.filter(name__iexact=name).first():
            return existing
        with suppress(IntegrityError), transaction.atomic():  # somebody else may take the slug meanwhile
            return Dataset.objects.create(name=name, slug=_free_slug(name), created_by=user)


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
    with SealedWriter(folder("datasets"), PromptSplit(held_out_share)) as writer:
        for pair in pairs:
            check(pair)
            writer.add(pair)
        sealed = writer.finish()
        with transaction.atomic():
            version = create_version(dataset, sealed, origin, user, parent)
            writer.publish(sealed)
    return version


def create_version(
    dataset: Dataset, sealed: Sealed, origin: dict[str, Any], user: User | None, parent: DatasetVersion | None = None
) -> DatasetVersion:
    """The row of a sealed file, under the dataset's next number; to be called in the transaction that publishes it.

    Every version is made here, so here a worker is called to make its report.
    """
    Dataset.objects.select_for_update().get(pk=dataset.pk)  # Two imports at once take different numbers.
    latest = dataset.versions.aggregate(latest=Max("number"))["latest"] or 0
    transaction.on_commit(lambda: call_workers("training.tasks.work_on_imports"))
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


def folder(name: str) -> Path:
    """A folder below ALIGNAPP_HOME, made if it is not there."""
    path = Path(settings.HOME) / name
    path.mkdir(parents=True, exist_ok=True)
    return path
