"""The way of judgements back into data: files, and sealed dataset versions. Researchers only."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_safe

from alignapp.accounts.access import researcher_required, user_of
from alignapp.accounts.models import User
from comparisons import sealing
from comparisons.audit import record
from comparisons.export import Export, Form, Summary, as_folder, as_json_lines, as_parquet
from comparisons.forms.export import FOLDER, ExportForm, MakeDatasetForm
from comparisons.models import SealingJob, Study, StudyState
from training.downloads import InThread

from .results import still_open

# Content type and ending of every kind of file.
FILES = {
    "jsonl": ("application/jsonl", "jsonl"),
    "parquet": ("application/vnd.apache.parquet", "parquet"),
    FOLDER: ("application/zip", "zip"),
}


@researcher_required
@require_safe
def export(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The pairs that a rule makes, streamed as a file."""
    study = get_object_or_404(Study, slug=slug)
    if study.state != StudyState.CLOSED:
        return still_open(request, study)
    form = ExportForm(study, request.GET if request.GET else None)
    found = Export(study, form.rule) if form.is_valid() else None
    if found:
        _refuse_what_cannot_be_written(form, found.summary)
    if found is None or form.errors or request.GET.get("action") == "count":
        context = {"study": study, "form": form if form.is_bound else ExportForm(study, {}), "found": found}
        return render(request, "comparisons/results/export.html", context, status=422 if form.errors else 200)
    kind = form.cleaned_data["type"]
    told = {"type": kind, "form": form.cleaned_data["form"], "rule": str(form.rule), "rows": found.summary.rows}
    record(study, user_of(request), "exported", **told)
    content_type, ending = FILES[kind]
    response = _streamed(request, _written(found, kind, Form(form.cleaned_data["form"])), content_type)
    response["Content-Disposition"] = f'attachment; filename="{study.slug}-pairs.{ending}"'
    return response


def _refuse_what_cannot_be_written(form: ExportForm, summary: Summary) -> None:
    sent = form.cleaned_data
    if not summary.rows:
        form.add_error(None, summary.no_pairs)
    elif summary.several_turns and sent["form"] == Form.PLAIN and sent["type"] != FOLDER:
        form.add_error("form", "Some prompts have several turns, which the plain form cannot hold.")


def _written(found: Export, kind: str, form: Form) -> Iterator[bytes]:
    if kind == FOLDER:
        return as_folder(found)
    return as_parquet(found, form) if kind == "parquet" else as_json_lines(found, form)


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def make_dataset(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what a rule makes of the judgements; on sending, have a worker seal it as a dataset version."""
    study = get_object_or_404(Study, slug=slug)
    if study.state != StudyState.CLOSED:
        return still_open(request, study)
    defaults = {"dataset": study.name, "join": True}
    form = MakeDatasetForm(study, request.POST if request.method == "POST" else defaults)
    found = Export(study, form.rule) if form.is_valid() else None
    if found and not found.summary.rows:
        form.add_error(None, found.summary.no_pairs)
    if found and request.method == "POST" and form.is_valid() and request.POST.get("action") != "count":
        return redirect(_submitted(found, form, user_of(request)))
    context = {"study": study, "form": form, "found": found}
    status = 422 if request.method == "POST" and form.errors else 200
    return render(request, "comparisons/results/make_dataset.html", context, status=status)


def _submitted(found: Export, form: MakeDatasetForm, user: User) -> SealingJob:
    """The study's pairs as the form says: added to the version that lacks them, or as a dataset of their own."""
    parent = found.study.fills if form.cleaned_data.get("join") else None
    return sealing.submit(found, user, dataset=form.cleaned_data["dataset"], parent=parent)


def _streamed(request: HttpRequest, chunks: Iterator[bytes], content_type: str) -> StreamingHttpResponse:
    """Send chunks as they are made. Under ASGI Django would first collect a plain iterator whole."""
    content = InThread(chunks) if isinstance(request, ASGIRequest) else chunks
    return StreamingHttpResponse(content, content_type=content_type)


urls = [
    path("studies/<slug:slug>/export/", export, name="study-export"),
    path("studies/<slug:slug>/make-dataset/", make_dataset, name="study-make-dataset"),
]
