"""The coverage map of a version, and the samples of production prompts that a version can be held against."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods

from alignapp.accounts.access import researcher_required, user_of
from training.forms.samples import SampleForm
from training.models import DatasetVersion, PromptSample
from training.preferences import prompt_sets, reporting, samples
from training.preferences.coverage.sketch import Sketch, sketch
from training.preferences.refused import read_refused
from training.views.datasets import version_or_404
from training.views.filling import filling

SAMPLES_PER_PAGE = 50
SHOWN_PROMPTS = 50
SHOWN_REFUSALS = 50


@require_GET
@researcher_required
def dataset_coverage(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The map, its topics by deficit, and the one that `?cluster=` names; htmx gets that one alone."""
    version = version_or_404(slug, number)
    report = reporting.report_of(version)
    finding = report.finding("coverage") if report else None
    standing = reporting.standing(version)
    context: dict[str, Any] = {"version": version, "report": report, "finding": finding, "standing": standing}
    if report and finding and finding.picture:
        drawn = sketch(finding.picture)
        context |= {
            "picture": finding.picture,
            "sketch": drawn,
            "note": (report.notes or {}).get("embeddings", ""),
            "target": _target(report.settings.target),
            **_chosen(version, drawn, request.GET.get("cluster", "")),
        }
    fragment = "#topic" if request.htmx and "sketch" in context else ""  # type: ignore[attr-defined]
    return render(request, f"training/datasets/coverage.html{fragment}", context)


def _target(key: str) -> prompt_sets.PromptSet | None:
    return next((found for found in prompt_sets.available() if found.key == key), None) if key else None


def _chosen(version: DatasetVersion, drawn: Sketch, number: str) -> dict[str, Any]:
    """The topic that is looked at, with what can be done about it; raises Http404 for one that is not there."""
    if not number:
        return {}
    shown = drawn.topic(number)
    if shown is None:
        raise Http404(f"The map of {version} has no topic {number}.")
    return {"chosen": shown, "filling": filling(version, cluster=number)}


@require_GET
@researcher_required
def prompt_samples(request: HttpRequest) -> HttpResponse:
    found = PromptSample.objects.select_related("created_by")
    page = Paginator(found, SAMPLES_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "training/datasets/samples.html", {"page": page, "section": "datasets"})


@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def prompt_sample_new(request: HttpRequest) -> HttpResponse:
    form = SampleForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and (sample := form.save(user_of(request))):
        messages.success(request, f"{sample.name} holds {sample.prompts:,} prompts. Reports can take it as target.")
        return redirect("prompt-sample", sample.pk)
    context = {"form": form, "section": "datasets"}
    return render(request, "training/datasets/sample_new.html", context, status=422 if form.errors else 200)


@require_GET
@researcher_required
def prompt_sample(request: HttpRequest, sample_id: int) -> HttpResponse:
    """The first prompts of a sample, and the lines that gave none."""
    sample = get_object_or_404(PromptSample.objects.select_related("created_by"), pk=sample_id)
    has_file = sample.path.is_file()
    context = {
        "sample": sample,
        "has_file": has_file,
        "prompts": list(samples.prompts_of(sample, SHOWN_PROMPTS)) if has_file else [],
        "refusals": read_refused(samples.refused_path(sample), SHOWN_REFUSALS),
        "section": "datasets",
    }
    return render(request, "training/datasets/sample.html", context)


urls = [
    path("datasets/<slug:slug>/v<int:number>/coverage/", dataset_coverage, name="dataset-coverage"),
    path("samples/", prompt_samples, name="prompt-samples"),
    path("samples/new/", prompt_sample_new, name="prompt-sample-new"),
    path("samples/<int:sample_id>/", prompt_sample, name="prompt-sample"),
]
