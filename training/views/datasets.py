"""Pages about datasets: list, import, versions with their reports, pairs, downloads."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alignapp.accounts.access import researcher_required, user_of
from training.downloads import file_download, in_chunks, streamed
from training.forms.datasets import ImportForm
from training.models import Dataset, DatasetVersion, ImportJob, ImportState
from training.preferences import import_queue, importing, reporting, store, trl
from training.preferences.refused import read_refused
from training.preferences.splits import HELD_OUT, TRAIN

DATASETS_PER_PAGE = 50
PAIRS_PER_PAGE = 25
SHOWN_REFUSALS = 20
SHOWN_IMPORTS = 10
SPLITS = {TRAIN: "Train", HELD_OUT: "Held out"}
JSON_LINES = "application/jsonl"
PARQUET = "application/vnd.apache.parquet"
# What a version can be downloaded as: value in the address, words, file suffix.
DOWNLOADS = {
    "jsonl": ("JSON Lines, conversational", "jsonl"),
    "jsonl-plain": ("JSON Lines, plain text", "plain.jsonl"),
    "parquet": ("Parquet, conversational", "parquet"),
    "parquet-plain": ("Parquet, plain text", "plain.parquet"),
    "sealed": ("Sealed file, as trained on (Parquet)", "sealed.parquet"),
}


def version_or_404(slug: str, number: int) -> DatasetVersion:
    """The version with its relations; raises Http404."""
    versions = DatasetVersion.objects.select_related("dataset", "parent__dataset", "created_by", "import_job")
    return get_object_or_404(versions, dataset__slug=slug, number=number)


def _version_with_file_or_404(slug: str, number: int) -> DatasetVersion:
    version = version_or_404(slug, number)
    if not version.path.is_file():
        raise Http404(f"The sealed file of {version} is not on this machine.")
    return version


@require_GET
@researcher_required
def dataset_list(request: HttpRequest) -> HttpResponse:
    versions = DatasetVersion.objects.defer("origin").order_by("-number")
    datasets = Dataset.objects.with_versions().prefetch_related(Prefetch("versions", versions))
    unfinished = ImportJob.objects.exclude(state=ImportState.SUCCEEDED).select_related("dataset")
    context = {
        "page": Paginator(datasets, DATASETS_PER_PAGE).get_page(request.GET.get("page")),
        "imports": unfinished[:SHOWN_IMPORTS],
    }
    return render(request, "training/datasets/list.html", context)


@require_http_methods(["GET", "POST"])
@researcher_required
def dataset_new(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        form = ImportForm(initial=ImportForm.prefilled(request.GET.get("dataset", "")))
        return render(request, "training/datasets/new.html", {"form": form})
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "training/datasets/new.html", {"form": form}, status=422)
    user = user_of(request)
    return redirect(
        importing.queue_upload(form.cleaned_data["file"], form.chosen_dataset(user), form.held_out_share, user)
    )


@require_GET
@researcher_required
def dataset_import(request: HttpRequest, import_id: UUID) -> HttpResponse:
    return render(request, "training/datasets/import.html", _import_context(import_id))


@require_GET
@researcher_required
def dataset_import_live(request: HttpRequest, import_id: UUID) -> HttpResponse:
    """The part of the import page that changes; its answer says when nothing more will."""
    return render(request, "training/datasets/import.html#live", _import_context(import_id))


def _import_context(import_id: UUID) -> dict[str, Any]:
    job = get_object_or_404(ImportJob.objects.select_related("dataset", "version__dataset"), pk=import_id)
    ended = job.state not in import_queue.UNFINISHED
    return {
        "job": job,
        "ended": ended,
        "refusals": read_refused(job.rejects_path, SHOWN_REFUSALS) if ended else [],
        "percent": 100 * job.bytes_read // job.bytes_total if job.bytes_total else 0,
    }


@require_POST
@researcher_required
def dataset_import_cancel(request: HttpRequest, import_id: UUID) -> HttpResponse:
    job = get_object_or_404(ImportJob, pk=import_id)
    if not importing.cancel(job):
        messages.info(request, "The import had ended before it could be cancelled.")
    return redirect(job)


@require_GET
@researcher_required
def dataset_import_rejects(request: HttpRequest, import_id: UUID) -> StreamingHttpResponse:
    """The rows that could not be used, with line and reason, as JSON Lines."""
    job = get_object_or_404(ImportJob, pk=import_id)
    if not job.rejects_path.is_file():
        raise Http404("This import has no list of unusable rows.")
    return file_download(job.rejects_path, f"{job.dataset.slug}-unusable-rows.jsonl", JSON_LINES)


@require_GET
@researcher_required
def dataset(request: HttpRequest, slug: str) -> HttpResponse:
    """A dataset is its versions: the address without a version leads to the latest."""
    found = get_object_or_404(Dataset, slug=slug)
    latest = found.versions.order_by("-number").first()
    return redirect(latest) if latest else redirect("datasets")


@require_GET
@researcher_required
def dataset_pairs(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The pairs of a version, or those of one split or one finding, page by page."""
    version = _version_with_file_or_404(slug, number)
    split = request.GET.get("split", "")
    finding = _finding_or_404(version, request.GET.get("finding", ""))
    if finding:
        rows = store.Rows(version.path, len(finding.rows), numbers=finding.rows)
    else:
        sizes = {TRAIN: version.train_rows, HELD_OUT: version.held_out_rows}
        split = split if split in sizes else ""
        rows = store.Rows(version.path, sizes.get(split, version.rows), split)
    context = {
        "version": version,
        "page": Paginator(rows, PAIRS_PER_PAGE).get_page(request.GET.get("page")),
        "split": split,
        "splits": SPLITS,
        "finding": finding,
    }
    return render(request, "training/datasets/pairs.html", context)


def _finding_or_404(version: DatasetVersion, rule: str) -> Any:
    if not rule:
        return None
    report = reporting.report_of(version)
    finding = report.finding(rule) if report else None
    if finding is None:
        raise Http404(f"The report on {version} has no such finding.")
    return finding


@require_GET
@researcher_required
def dataset_pair(request: HttpRequest, slug: str, number: int, row: int) -> HttpResponse:
    """One pair in full, with the source's other columns."""
    version = _version_with_file_or_404(slug, number)
    found = store.rows(version.path, [row])
    if not found:
        raise Http404(f"{version} has no row {row}.")
    context = {
        "version": version,
        "row": found[0],
        "split": SPLITS[found[0].split],
        "previous": row - 1 if row else None,
        "next": row + 1 if row + 1 < version.rows else None,
    }
    return render(request, "training/datasets/pair.html", context)


@require_GET
@researcher_required
def dataset_version_download(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """A version, whole or one split, in one of the forms of DOWNLOADS (`?form=`, `?split=`)."""
    version = _version_with_file_or_404(slug, number)
    form, split = request.GET.get("form", "jsonl"), request.GET.get("split", "")
    if form not in DOWNLOADS or (split and split not in SPLITS):
        raise Http404("There is no such download.")
    plain = form.endswith("-plain")
    if plain and (rows := store.multi_turn_rows(version.path)):
        some = "1 row holds" if rows == 1 else f"{rows:,} rows hold"
        reason = f"{some} several turns or a system message, which plain text has no place for."
        messages.error(request, f"{reason} Download the conversational form.")
        return redirect(version)
    name = f"{slug}-v{number}{f'-{split}' if split else ''}.{DOWNLOADS[form][1]}"
    if form == "sealed":
        return file_download(version.path, name, PARQUET)
    if form.startswith("jsonl"):
        lines = trl.lines(store.read_pairs(version.path, split), trl.plain if plain else trl.conversational)
        return streamed(in_chunks(lines), name, JSON_LINES)
    copy = settings.FILE_UPLOAD_TEMP_DIR / f"{uuid4().hex}.parquet"
    demonstrations = version.kind == DatasetVersion.Kind.DEMONSTRATIONS
    store.copy_for_trl(version.path, copy, plain=plain, demonstrations=demonstrations, split=split)
    return file_download(copy, name, PARQUET, keep=False)


_version = "datasets/<slug:slug>/v<int:number>/"
urls = [
    path("datasets/", dataset_list, name="datasets"),
    path("datasets/new/", dataset_new, name="dataset-new"),
    path("datasets/imports/<uuid:import_id>/", dataset_import, name="dataset-import"),
    path("datasets/imports/<uuid:import_id>/live/", dataset_import_live, name="dataset-import-live"),
    path("datasets/imports/<uuid:import_id>/cancel/", dataset_import_cancel, name="dataset-import-cancel"),
    path("datasets/imports/<uuid:import_id>/rejects/", dataset_import_rejects, name="dataset-import-rejects"),
    path("datasets/<slug:slug>/", dataset, name="dataset"),
    path(f"{_version}pairs/", dataset_pairs, name="dataset-pairs"),
    path(f"{_version}pairs/<int:row>/", dataset_pair, name="dataset-pair"),
    path(f"{_version}download/", dataset_version_download, name="dataset-version-download"),
]
