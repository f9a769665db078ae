"""Pages of an import: where the rows are, what they would become, how far it is, what could not be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alignapp.accounts.access import researcher_required, user_of
from training.downloads import file_download
from training.forms.imports import ConfirmForm, SourceForm
from training.models import ImportJob, ImportState
from training.preferences import drafts, import_queue
from training.preferences.formats import Format, Mapping, Previewed, preview
from training.preferences.formats.recognition import keys_of, proposed
from training.preferences.refused import read_refused

SHOWN_REFUSALS = 20
SHOWN_OF_PREVIEW = 4
JSON_LINES = "application/jsonl"


@require_http_methods(["GET", "POST"])
@researcher_required
def dataset_new(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        form = SourceForm(initial=SourceForm.prefilled(request.GET.get("dataset", "")))
        return render(request, "training/datasets/new.html", {"form": form})
    form = SourceForm(request.POST, request.FILES)
    if form.is_valid() and (job := form.draft(user_of(request))):
        return redirect(job)
    return render(request, "training/datasets/new.html", {"form": form}, status=422)


@require_GET
@researcher_required
def dataset_import(request: HttpRequest, import_id: UUID) -> HttpResponse:
    """A draft asks for confirmation; any other import says how far it is."""
    job = _job_or_404(import_id)
    if not _is_to_confirm(job):
        return render(request, "training/datasets/import.html", _progress_context(job))
    mapping = Mapping.model_validate(job.mapping)
    sample = drafts.sample_of(job)
    asked = request.GET.get("format", mapping.format)
    if asked != mapping.format and asked in list(Format):
        mapping = proposed(Format(asked), [row for _, row in sample.rows])
    return render(request, "training/datasets/confirm.html", _confirm_context(job, mapping, sample))


@require_POST
@researcher_required
def dataset_import_confirm(request: HttpRequest, import_id: UUID) -> HttpResponse:
    """Shows what the chosen reading gives (`action=preview`), or queues the import."""
    job = _job_or_404(import_id)
    if not _is_to_confirm(job):
        return redirect(job)  # The button was pressed twice, or somebody else was quicker.
    sample = drafts.sample_of(job)
    rows = [row for _, row in sample.rows]
    format = request.POST.get("format", "")
    stored = Mapping.model_validate(job.mapping)
    mapping = proposed(Format(format), rows) if format in list(Format) and format != stored.format else stored
    context = _confirm_context(job, mapping, sample, request.POST)
    form: ConfirmForm = context["form"]
    if not form.is_valid() or form.mapping is None:
        return render(request, "training/datasets/confirm.html", context, status=422)
    if request.POST.get("action") == "preview":
        context["preview"] = Preview.of(form.mapping, sample)
        return render(request, "training/datasets/confirm.html", context)
    drafts.confirm(job, form.mapping, form.chosen_dataset(user_of(request)), form.held_out_share)
    return redirect(job)


@dataclass(frozen=True, slots=True)
class Preview:
    """What the first rows would become."""

    rows: int
    usable: int
    pairs: int
    shown: list[Previewed]
    refused: list[Previewed]

    @classmethod
    def of(cls, mapping: Mapping, sample: drafts.Sample) -> Preview:
        """The whole sample is tried, and a handful of it is shown."""
        tried = preview(sample.rows, mapping) + [Previewed(row.line, refusal=row) for row in sample.refusals]
        usable = [row for row in tried if row.pairs]
        refused = sorted((row for row in tried if row.refusal), key=lambda row: row.line)
        pairs = sum(len(row.pairs) for row in usable)
        return cls(len(tried), len(usable), pairs, usable[:SHOWN_OF_PREVIEW], refused[:SHOWN_OF_PREVIEW])


def _confirm_context(
    job: ImportJob, mapping: Mapping, sample: drafts.Sample, sent: Any | None = None
) -> dict[str, Any]:
    rows = [row for _, row in sample.rows]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    form = ConfirmForm(job, mapping, columns, keys_of(rows, mapping.columns.get("answers", "")), sent)
    return {
        "job": job,
        "form": form,
        "mapping": mapping,
        "formats": list(Format),
        "preview": Preview.of(mapping, sample),
    }


def _is_to_confirm(job: ImportJob) -> bool:
    return job.state == ImportState.DRAFT and bool(job.mapping)


@require_GET
@researcher_required
def dataset_import_live(request: HttpRequest, import_id: UUID) -> HttpResponse:
    """The part of the import page that changes; its answer says when nothing more will."""
    return render(request, "training/datasets/import.html#live", _progress_context(_job_or_404(import_id)))


def _progress_context(job: ImportJob) -> dict[str, Any]:
    ended = job.state not in import_queue.UNFINISHED
    return {
        "job": job,
        "ended": ended,
        "to_confirm": _is_to_confirm(job),
        "refusals": read_refused(job.rejects_path, SHOWN_REFUSALS) if ended else [],
        "percent": 100 * job.bytes_read // job.bytes_total if job.bytes_total else None,
        "can_start_again": drafts.can_start_again(job),
    }


def _job_or_404(import_id: UUID) -> ImportJob:
    return get_object_or_404(ImportJob.objects.select_related("dataset", "version__dataset"), pk=import_id)


@require_POST
@researcher_required
def dataset_import_cancel(request: HttpRequest, import_id: UUID) -> HttpResponse:
    job = _job_or_404(import_id)
    if not drafts.cancel(job):
        messages.info(request, "The import had ended before it could be cancelled.")
    return redirect(job)


@require_POST
@researcher_required
def dataset_import_again(request: HttpRequest, import_id: UUID) -> HttpResponse:
    job = _job_or_404(import_id)
    if not drafts.start_again(job) and job.state in import_queue.REPEATABLE:
        messages.error(request, "The file is no longer kept. Upload or name it again.")
    return redirect(job)


@require_POST
@researcher_required
def dataset_import_remove(request: HttpRequest, import_id: UUID) -> HttpResponse:
    """Removes an import that ended without a version, and what was kept for it."""
    job = _job_or_404(import_id)
    if job.state not in import_queue.REPEATABLE:
        messages.info(request, "Only an import that ended without a version can be removed.")
        return redirect(job)
    drafts.discard(job)
    messages.success(request, f"The import of {job.filename} was removed.")
    return redirect("datasets")


@require_GET
@researcher_required
def dataset_import_rejects(request: HttpRequest, import_id: UUID) -> StreamingHttpResponse:
    """The rows that could not be used, with line and reason, as JSON Lines."""
    job = _job_or_404(import_id)
    if not job.rejects_path.is_file():
        raise Http404("This import has no list of unusable rows.")
    return file_download(job.rejects_path, f"{job.dataset.slug}-unusable-rows.jsonl", JSON_LINES)


_import = "datasets/imports/<uuid:import_id>/"
urls = [
    path("datasets/new/", dataset_new, name="dataset-new"),
    path(_import, dataset_import, name="dataset-import"),
    path(f"{_import}confirm/", dataset_import_confirm, name="dataset-import-confirm"),
    path(f"{_import}live/", dataset_import_live, name="dataset-import-live"),
    path(f"{_import}cancel/", dataset_import_cancel, name="dataset-import-cancel"),
    path(f"{_import}again/", dataset_import_again, name="dataset-import-again"),
    path(f"{_import}remove/", dataset_import_remove, name="dataset-import-remove"),
    path(f"{_import}rejects/", dataset_import_rejects, name="dataset-import-rejects"),
]
