"""From a version and a recipe to a child version. Its row, its file and its diff appear together or not at all.

The same recipe on the same parent makes the same bytes; asked for again, it gives the version that is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from alignapp.accounts.models import User
from training import jobs
from training.models import CleaningJob, CleaningKind, Dataset, DatasetVersion, JobState, PairTag
from training.models.jobs import UNFINISHED
from training.preferences.cleaning import diffs, previews
from training.preferences.cleaning.applying import child_rows, write_child
from training.preferences.cleaning.planning import Plan, plan
from training.preferences.cleaning.previews import Preview
from training.preferences.cleaning.recipes import BadRecipe, Recipe, read_stored
from training.preferences.cleaning.selection import Material
from training.preferences.filters import Filter
from training.preferences.report import Place
from training.preferences.reporting import place_of
from training.preferences.sealing import Sealed, SealedWriter
from training.preferences.splits import PromptSplit
from training.preferences.verdicts import tag_after
from training.preferences.versions import create_version

# Up to so much a page waits until it is known what a recipe would do; it never waits for one to be applied.
ROWS_AT_ONCE = 5_000
BYTES_AT_ONCE = 16 * 1024 * 1024
WORKERS = "training.tasks.work_on_cleanings"
PREVIEWS_KEPT = timedelta(days=1)
TRIED_AGAIN_AFTER = timedelta(minutes=1)
NOTHING_LEFT = "The recipe leaves no row. Choose fewer rows, then apply it again."
REPLACED = "The report by which this recipe was meant has been made anew. Look at what it changes now, then apply it."
NOTHING_CHANGED = "The recipe changes nothing on this version, so there is nothing to make."


# --- What a recipe does -------------------------------------------------------------------------------------------


def material_of(version: DatasetVersion, report: str = "") -> Material:
    """What steps on a version can refer to; findings and scores by the report of this key, or by the one that is read.

    Raises BadRecipe when that report is no longer there.
    """
    place = place_of(version)
    if report and report != place.key:
        place = Place(version.path, report)
        if not place.exists:
            raise BadRecipe(REPLACED)

    def tagged(tag: str) -> list[int]:
        return list(version.pair_tags.filter(tag=tag).values_list("row", flat=True))

    def search(chosen: Filter) -> Any:
        from training.preferences.browsing import UnknownCondition, select_rows

        try:
            return select_rows(version, chosen)
        except UnknownCondition as error:
            raise BadRecipe(str(error)) from error

    return Material(place, tagged, search)


def preview(version: DatasetVersion, recipe: Recipe) -> Plan:
    """What the recipe would do; raises BadRecipe."""
    return plan(version.path, recipe, material_of(version))


def look_at(version: DatasetVersion, recipe: Recipe, user: User | None) -> Preview | CleaningJob:
    """What the recipe would do: at once on a small version, else as a worker found it, or the job by which one looks.

    Raises BadRecipe, also with what a worker said.
    """
    if version.rows <= ROWS_AT_ONCE and version.size_bytes <= BYTES_AT_ONCE:
        return previews.of_plan(version.path, preview(version, recipe))
    stored = meant(version, recipe).stored()
    digest = jobs.digest({"preview": stored, "tagged": _tagged(version, recipe)})
    job = CleaningJob.objects.filter(parent=version, digest=digest).first()
    if job is None or not _stands(job):
        job = _queue(version, stored, digest, user, CleaningKind.PREVIEW)
        _forget_other_previews(job)
    if job.state == JobState.FAILED:
        raise BadRecipe(job.error)
    if job.state == JobState.SUCCEEDED:
        return previews.read(version.path, previews.place(version.path, digest), job.figures, recipe)
    return job


def _tagged(version: DatasetVersion, recipe: Recipe) -> dict[str, list[int]]:
    """The rows that the recipe's tags are on, which people change."""
    material = material_of(version)
    return {tag: sorted(material.tagged(tag)) for tag in {step.rows.tag for step in recipe} if tag}


def _stands(job: CleaningJob) -> bool:
    """Whether a preview need not be asked for again. One that failed is, after a while: the reason may have gone."""
    if job.state == JobState.SUCCEEDED:
        return previews.place(job.parent.path, job.digest).is_file()
    recent = job.created_at > timezone.now() - TRIED_AGAIN_AFTER
    return not job.ended or (job.state == JobState.FAILED and recent)


def _forget_other_previews(job: CleaningJob) -> None:
    """Nobody waits any more for what the same person asked about this version before."""
    others = CleaningJob.objects.filter(kind=CleaningKind.PREVIEW, parent=job.parent, created_by=job.created_by)
    for other in others.filter(state__in=UNFINISHED).exclude(pk=job.pk):
        jobs.cancel(other)


def meant(version: DatasetVersion, recipe: Recipe) -> Recipe:
    """The recipe as it is stored with what it makes of this version."""
    return recipe.meant_by(place_of(version).key)


def existing_child(version: DatasetVersion, recipe: Recipe) -> DatasetVersion | None:
    """The version that this recipe made of this one before, if it is still there and cannot have become another."""
    return _child_by(version, meant(version, recipe))


def _child_by(version: DatasetVersion, recipe: Recipe) -> DatasetVersion | None:
    if recipe.uses_tags:
        return None  # people put tags on rows at any time; equal rows still give one version (child_of)
    wanted = recipe.stored()
    children = version.children.select_related("dataset").order_by("number")
    return next((child for child in children if child.recipe == wanted and _is_whole(child, version)), None)


def _is_whole(child: DatasetVersion, parent: DatasetVersion) -> bool:
    return child.path.is_file() and diffs.place(child.path, parent.sha256).is_file()


# --- Jobs ---------------------------------------------------------------------------------------------------------


def submit(parent: DatasetVersion, recipe: Recipe, user: User | None) -> CleaningJob:
    """A job that a worker takes up, which applies the recipe; asked for twice at once, both get the same job."""
    stored = meant(parent, recipe).stored()
    return _queue(parent, stored, jobs.digest(stored), user, CleaningKind.VERSION)


def _queue(
    parent: DatasetVersion, recipe: dict[str, Any], digest: str, user: User | None, kind: CleaningKind
) -> CleaningJob:
    same = {"parent": parent, "digest": digest}
    return jobs.ask(CleaningJob, WORKERS, same, recipe=recipe, created_by=user, kind=kind)


def work() -> None:
    """Runs waiting jobs, one after the other."""
    while job := jobs.claim(CleaningJob):
        _run(job)


def run(job_id: UUID) -> None:
    """Runs one job if it waits or was abandoned; otherwise does nothing."""
    if job := jobs.claim(CleaningJob, job_id):
        _run(job)


def _run(job: CleaningJob) -> None:
    jobs.bring_to_an_end(job, lambda: _do(job), "cleaning", (BadRecipe,))


def _do(job: CleaningJob) -> None:
    jobs.remove_partials(job.parent.path.parent, f"clean-{job.pk}")
    (_find_out if job.kind == CleaningKind.PREVIEW else _make)(job)


def _planned(job: CleaningJob) -> Plan:
    """What the job's recipe does; raises BadRecipe."""
    parent, recipe = job.parent, read_stored(job.recipe)
    if not parent.path.is_file():
        raise BadRecipe(f"The sealed file of {parent} is not on this machine. Restore it from a backup first.")
    material = material_of(parent, recipe.report)
    return plan(parent.path, recipe, material, lambda stage: jobs.heartbeat(job, stage=stage[:120]))


def _find_out(job: CleaningJob) -> None:
    """Keeps what the job's recipe would do, and takes away what was found out long ago."""
    _remove_old_previews(job.parent.path.parent)
    found = _planned(job)
    target = previews.place(job.parent.path, job.digest)
    with partial(target, f"clean-{job.pk}") as path:
        figures = previews.write(path, found)
        os.replace(path, target)
    jobs.finish(job, JobState.SUCCEEDED, figures=figures)


def _remove_old_previews(folder: Path) -> None:
    long_ago = timezone.now() - PREVIEWS_KEPT
    CleaningJob.objects.filter(kind=CleaningKind.PREVIEW, created_at__lt=long_ago).exclude(
        state__in=UNFINISHED
    ).delete()
    for file in folder.glob("*.preview-*.parquet"):
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < long_ago.timestamp():
                file.unlink()


def _make(job: CleaningJob) -> None:
    parent = job.parent
    if child := _child_by(parent, read_stored(job.recipe)):
        jobs.finish(job, JobState.SUCCEEDED, version=child)
        return
    made = _planned(job)
    if made.changes_nothing:
        raise BadRecipe(NOTHING_CHANGED)
    if made.removed == len(made.last_step):
        raise BadRecipe(NOTHING_LEFT)
    _write(job, parent, made)


def _write(job: CleaningJob, parent: DatasetVersion, made: Plan) -> None:
    beat = jobs.now_and_then(job)
    with SealedWriter(parent.path.parent, PromptSplit(0), name=f"clean-{job.pk}") as writer:
        write_child(parent.path, made, writer, lambda rows: beat(stage="writing rows", rows_done=rows))
        sealed = writer.finish()
        jobs.heartbeat(job, stage="writing what changed", rows_done=parent.rows)
        diff = diffs.place(sealed.path, parent.sha256)
        with partial(diff, f"clean-{job.pk}") as path:
            diffs.write_plan(path, made)
            with transaction.atomic():
                child, new = child_of(parent, sealed, _origin(parent, made), job.recipe, job.created_by)
                jobs.finish(job, JobState.SUCCEEDED, version=child, rows_done=parent.rows)
                if new:
                    _carry_tags(parent, child, made)
                publish(writer, sealed, path, diff, new=new)


def _origin(parent: DatasetVersion, made: Plan) -> dict[str, Any]:
    counts = {"rows_removed": made.removed, "rows_changed": made.changed}
    return {"kind": "cleaning", "label": f"Cleaning of {parent}", "url": parent.get_absolute_url(), **counts}


def _carry_tags(parent: DatasetVersion, child: DatasetVersion, made: Plan) -> None:
    """Tags that people put on rows stay on them."""
    places, flipped = child_rows(made), made.after.flipped
    found = parent.pair_tags.values_list("row", "tag", "created_by")
    there = ((row, tag, by) for row, tag, by in found if row < len(places) and places[row] >= 0)
    kept = [(int(places[row]), tag_after(tag, flipped=bool(flipped[row])), by) for row, tag, by in there]
    PairTag.objects.bulk_create(
        (PairTag(version=child, row=row, tag=tag, created_by_id=by) for row, tag, by in kept), batch_size=1_000
    )


# --- Versions -----------------------------------------------------------------------------------------------------


def child_of(
    parent: DatasetVersion, sealed: Sealed, origin: dict[str, Any], recipe: dict[str, Any], user: User | None
) -> tuple[DatasetVersion, bool]:
    """The next version of the parent's dataset, or the child that already holds these rows, and whether it is new.

    Rows that were made by a rule (`origin["rule"]`) are another version than the same rows by another rule.
    To be called in a transaction: two people who make the same at once get one version.
    """
    dataset = Dataset.objects.select_for_update().get(pk=parent.dataset_id)
    same = {"origin__rule": origin["rule"]} if "rule" in origin else {}
    if twin := parent.children.filter(sha256=sealed.sha256, dataset=dataset, **same).first():
        return twin, False
    child = create_version(dataset, sealed, origin, user, parent)
    child.recipe = recipe
    child.report_settings = parent.report_settings
    child.save(update_fields=["recipe", "report_settings"])
    return child, True


def publish(writer: SealedWriter, sealed: Sealed, written: Path, diff: Path, *, new: bool) -> None:
    """Moves the file of a child and the diff that is `written` to their places; if it is not new, what is missing."""
    if new or not diff.is_file():
        os.replace(written, diff)
    if new or not sealed.path.is_file():
        writer.publish(sealed)


@contextmanager
def partial(target: Path, name: str) -> Iterator[Path]:
    """Where a file that will stand at `target` is written; nothing is left of it unless it was moved there."""
    path = target.with_name(f".{name}-{uuid4().hex}.partial")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
