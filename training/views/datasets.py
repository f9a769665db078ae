"""Pages about datasets: list, downloads of versions."""

from __future__ import annotations

from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_GET

from alignapp.accounts.access import researcher_required
from training.downloads import file_download, in_chunks, streamed
from training.models import Dataset, DatasetVersion, ImportJob, ImportState
from training.preferences import store, trl
from training.preferences.data_card import card_of
from training.preferences.hub_folder import zipped
from training.preferences.splits import HELD_OUT, TRAIN

DATASETS_PER_PAGE = 50
SHOWN_REFUSALS = 20
SHOWN_IMPORTS = 10
SPLITS = {TRAIN: "Train", HELD_OUT: "Held out"}
JSON_LINES = "application/jsonl"
PARQUET = "application/vnd.apache.parquet"
ZIP = "application/zip"
# What a version can be downloaded as: value in the address, words, file suffix.
DOWNLOADS = {
    "jsonl": ("JSON Lines, conversational", "jsonl"),
    "jsonl-plain": ("JSON Lines, plain text", "plain.jsonl"),
    "parquet": ("Parquet, conversational", "parquet"),
    "parquet-plain": ("Parquet, plain text", "plain.parquet"),
    "folder": ("Hugging Face folder with data card (zip)", "zip"),
    "sealed": ("Sealed file, as trained on (Parquet)", "sealed.parquet"),
}


def version_or_404(slug: str, number: int) -> DatasetVersion:
    """The version with its relations; raises Http404."""
    versions = DatasetVersion.objects.select_related("dataset", "parent__dataset", "created_by", "import_job")
    return get_object_or_404(versions, dataset__slug=slug, number=number)


def version_with_file_or_404(slug: str, number: int) -> DatasetVersion:
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


@require_GET
@researcher_required
def dataset(request: HttpRequest, slug: str) -> HttpResponse:
    """A dataset is its versions: the address without a version leads to the latest."""
    found = get_object_or_404(Dataset, slug=slug)
    latest = found.versions.order_by("-number").first()
    return redirect(latest) if latest else redirect("datasets")


@require_GET
@researcher_required
def dataset_version_download(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """A version, whole or one split, in one of DOWNLOADS (`?form=`, `?split=`); a folder has all splits."""
    version = version_with_file_or_404(slug, number)
    form, split = request.GET.get("form", "jsonl"), request.GET.get("split", "")
    if form not in DOWNLOADS or (split and split not in SPLITS):
        raise Http404("There is no such download.")
    plain = form.endswith("-plain")
    if plain and (rows := store.multi_turn_rows(version.path)):
        some = "1 row holds" if rows == 1 else f"{rows:,} rows hold"
        reason = f"{some} several turns or a system message, which plain text has no place for."
        messages.error(request, f"{reason} Download the conversational form.")
        return redirect(version)
    demonstrations = version.kind == DatasetVersion.Kind.DEMONSTRATIONS
    if form == "folder":
        folder = f"{slug}-v{number}"
        card = card_of(version).markdown
        return streamed(
            zipped(version.path, folder, str(version), card, demonstrations=demonstrations), f"{folder}.zip", ZIP
        )
    name = f"{slug}-v{number}{f'-{split}' if split else ''}.{DOWNLOADS[form][1]}"
    if form == "sealed":
        return file_download(version.path, name, PARQUET)
    if form.startswith("jsonl"):
        lines = trl.lines(store.read_pairs(version.path, split), trl.plain if plain else trl.conversational)
        return streamed(in_chunks(lines), name, JSON_LINES)
    copy = settings.FILE_UPLOAD_TEMP_DIR / f"{uuid4().hex}.parquet"
    store.copy_for_trl(version.path, copy, plain=plain, demonstrations=demonstrations, split=split)
    return file_download(copy, name, PARQUET, keep=False)


@require_GET
@researcher_required
def dataset_version_card(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The data card of a version as Markdown."""
    version = version_or_404(slug, number)
    headers = {"Content-Disposition": f'attachment; filename="{slug}-v{number}-card.md"'}
    return HttpResponse(card_of(version).markdown, content_type="text/markdown; charset=utf-8", headers=headers)


_version = "datasets/<slug:slug>/v<int:number>/"
urls = [
    path("datasets/", dataset_list, name="datasets"),
    path("datasets/<slug:slug>/", dataset, name="dataset"),
    path(f"{_version}download/", dataset_version_download, name="dataset-version-download"),
    path(f"{_version}card.md", dataset_version_card, name="dataset-version-card"),
]
