"""Pages of inspections: the form, what was found, the pairs behind a figure, and checking a reference at a launch."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alignapp.accounts.access import researcher_required, user_of
from training.config import Method
from training.forms.inspections import CheckForm, InspectionForm, prefilled
from training.inspections import pictures, words
from training.inspections.pairs import ORDERS, RankedPairs
from training.inspections.slices import group_label, value_label
from training.inspections.summary import Kind, Summary, read_summary
from training.models import Run
from training.preferences import store
from training.runs import queue

PAIRS_PER_PAGE = 25
SHOWN_MISTAKES = 6
ONLY = {"": "All", "wrong": "Ranked wrongly", "right": "Ranked rightly"}
ORDER_WORDS = {"wrong": "Surest mistakes first", "right": "Surest first", "unsure": "Least sure first", "row": "By row"}


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def inspection_new(request: HttpRequest) -> HttpResponse:
    """Choose what to look at; a link may fill the form in."""
    if request.method != "POST":
        form = InspectionForm(initial=prefilled(request.GET.dict()))
        return render(request, "training/inspections/new.html", {"form": form, "section": "runs"})
    form = InspectionForm(request.POST)
    if form.is_valid():
        try:
            return redirect(form.save(user_of(request)))
        except queue.Refused as refusal:
            form.add_error(None, str(refusal))
    return render(request, "training/inspections/new.html", {"form": form, "section": "runs"}, status=422)


@researcher_required
@require_POST
def reference_check(request: HttpRequest) -> HttpResponse:
    """Queue a check of the base that a launch form holds, on its pairs, at its lengths, so that the run reuses it."""
    form = CheckForm(request.POST)
    try:
        if form.is_valid():
            return redirect(form.save(user_of(request)))
        reason = " ".join(str(error) for errors in form.errors.values() for error in errors)
    except queue.Refused as refusal:
        reason = str(refusal)
    messages.error(request, reason)
    return redirect(f"{reverse('inspection-new')}?{urlencode(form.chosen)}")


def _run_or_404(pk: UUID) -> Run:
    related = ("dataset_version__dataset", "base", "inspected__run", "created_by")
    return get_object_or_404(Run.objects.select_related(*related), pk=pk, method=Method.INSPECTION)


def _summary_or_404(run: Run) -> Summary:
    summary = read_summary(run.folder)
    if summary is None:
        raise Http404(f"The files of {run} are not on this machine, or are of an earlier form. Inspect again.")
    return summary


@researcher_required
@require_GET
def inspection(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What an inspection found; while it runs, the page of its run."""
    run = _run_or_404(pk)
    if run.state != "succeeded":
        return redirect(run)
    summary = _summary_or_404(run)
    ranked = list(RankedPairs(run.folder, only="wrong")[:SHOWN_MISTAKES])
    context = {
        "section": "runs",
        "run": run,
        "version": run.dataset_version,
        "summary": summary,
        "is_reference": summary.kind is Kind.REFERENCE,
        "headline": words.headline(summary),
        "verdicts": words.verdicts(summary),
        "meanings": words.meanings(summary) if summary.kind is Kind.REFERENCE else [],
        "slices": _slices(summary),
        "likings": [("What it loves", summary.loves), ("What it hates", summary.hates)],
        "mistakes": _with_texts(run, ranked),
        "again": _again(run),
        **_pictures(summary),
    }
    return render(request, "training/inspections/inspection.html", context)


def _slices(summary: Summary) -> list[dict[str, Any]]:
    return [
        {"group": group_label(found.key), "label": value_label(found.key), "found": found} for found in summary.slices
    ]


def _pictures(summary: Summary) -> dict[str, pictures.Picture | None]:
    return {
        "scatter": pictures.score_against_length(summary.dots),
        "reliability": None if summary.kind is Kind.REFERENCE else pictures.reliability(summary.calibration.curve),
        "best_of": pictures.best_of(summary.best_of) if summary.best_of else None,
    }


def _again(run: Run) -> str:
    """The form filled in as this inspection was."""
    return f"{reverse('inspection-new')}?inspected={run.inspected_id}&dataset_version={run.dataset_version_id}"


def _with_texts(run: Run, ranked: list[Any]) -> list[dict[str, Any]]:
    """The ranked pairs in their order, each with its row of the sealed file, None where that is gone."""
    path = run.dataset_version.path
    texts = {row.number: row for row in store.rows(path, [pair.row for pair in ranked])} if path.is_file() else {}
    return [{"ranked": pair, "source": texts.get(pair.row)} for pair in ranked]


@researcher_required
@require_GET
def inspection_pairs(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The pairs behind a figure: of one slice, ranked wrongly or rightly, in an order."""
    run = _run_or_404(pk)
    summary = _summary_or_404(run)
    key, only, order = (request.GET.get(name, "") for name in ("slice", "only", "order"))
    if key and summary.slice(key) is None:
        raise Http404("This inspection has no such slice.")
    only, order = only if only in ONLY else "", order if order in ORDERS else "wrong"
    page = Paginator(RankedPairs(run.folder, key, order, only), PAIRS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "section": "runs",
        "run": run,
        "version": run.dataset_version,
        "page": page,
        "pairs": _with_texts(run, list(page.object_list)),
        "key": key,
        "slice_label": f"{group_label(key)}: {value_label(key)}" if key else "",
        "slices": _slices(summary),
        "only": only,
        "only_choices": ONLY,
        "order": order,
        "orders": ORDER_WORDS,
    }
    return render(request, "training/inspections/pairs.html", context)


urls: list[URLPattern] = [
    path("inspections/new/", inspection_new, name="inspection-new"),
    path("inspections/check/", reference_check, name="reference-check"),
    path("inspections/<uuid:pk>/", inspection, name="inspection"),
    path("inspections/<uuid:pk>/pairs/", inspection_pairs, name="inspection-pairs"),
]
