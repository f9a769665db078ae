"""Results of closed studies, the judgements behind each figure, and their way back into data. Researchers only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.handlers.asgi import ASGIRequest
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_safe

from alignapp.accounts.access import researcher_required, user_of
from alignapp.accounts.models import User
from comparisons import export as exporting
from comparisons import results as finding
from comparisons.forms.export import ExportForm, MakeDatasetForm
from comparisons.forms.results import LookForm
from comparisons.models import Choice, Item, Rating, Study, StudyState
from comparisons.results import robustness as asking
from training.models import DatasetVersion
from training.preferences.importing import dataset_named

ITEMS_PER_PAGE = 20
CONTENT_TYPES = {"jsonl": "application/jsonl", "parquet": "application/vnd.apache.parquet"}


@researcher_required
@require_safe
def results(request: HttpRequest, slug: str) -> HttpResponse:
    """Who won, how sure that is, and what each policy cost."""
    study = get_object_or_404(Study, slug=slug)
    if not _is_closed(study):
        return _still_open(request, study)
    form = LookForm(study, request.GET)
    context = {"study": study, "form": form, "look": form.look, "results": finding.gather(study, form.look)}
    return render(request, "comparisons/results/results.html", context)


@researcher_required
@require_safe
def robustness(request: HttpRequest, slug: str) -> HttpResponse:
    """What would change the result."""
    study = get_object_or_404(Study, slug=slug)
    if not _is_closed(study):
        return _still_open(request, study)
    context = {"study": study, "found": asking.robustness(study, LookForm(study, request.GET).look)}
    return render(request, "comparisons/results/robustness.html", context)


@researcher_required
@require_safe
def rows(request: HttpRequest, slug: str) -> HttpResponse:
    """The items behind a figure, with both answers, who wrote them, and every judgement."""
    study = get_object_or_404(Study, slug=slug)
    if not _is_closed(study):
        return _still_open(request, study)
    page = Paginator(_chosen_items(study, request), ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    judged: dict[int, list[Rating]] = {item.pk: [] for item in page}
    authors = (f"assignment__item__{answer}__contender__policy" for answer in ("first", "second"))
    standing = Rating.objects.standing().filter(assignment__item__in=judged).order_by("id")
    for rating in standing.select_related("assignment__rater", *authors):
        judged[rating.assignment.item_id].append(rating)
    context = {
        "study": study,
        "page": page,
        "rows": [(item, (item.first, item.second), judged[item.pk]) for item in page],
        "contenders": study.contenders.select_related("policy"),
        "choices": [choice for choice in Choice if choice not in {Choice.WITHDRAWN, Choice.A, Choice.B}],
    }
    return render(request, "comparisons/results/rows.html", context)


@researcher_required
@require_safe
def export(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The pairs that a rule makes, streamed as a file."""
    study = get_object_or_404(Study, slug=slug)
    if not _is_closed(study):
        return _still_open(request, study)
    form = ExportForm(ExportForm.defaults() | request.GET.dict() if request.GET else None)
    if not form.is_valid():
        return _export_page(request, study, form)
    kind, shape = form.cleaned_data["type"], exporting.Form(form.cleaned_data["form"])
    summary = exporting.summarise(study, form.rule)
    if not summary.pairs:
        form.add_error(None, _no_pairs(summary))
    elif summary.several_turns and shape is exporting.Form.PLAIN:
        form.add_error("form", "Some prompts have several turns, which the plain form cannot hold.")
    if form.errors:
        return _export_page(request, study, form)
    write = exporting.as_parquet if kind == "parquet" else exporting.as_json_lines
    response = _streamed(request, write(study, form.rule, shape), CONTENT_TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="{study.slug}-pairs.{kind}"'
    return response


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def make_dataset(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what a rule makes of the judgements; on sending, seal it as a dataset version."""
    study = get_object_or_404(Study, slug=slug)
    if not _is_closed(study):
        return _still_open(request, study)
    defaults = MakeDatasetForm.defaults() | {"dataset": study.name, "join": True}
    form = MakeDatasetForm(study, request.POST if request.method == "POST" else defaults)
    summary = exporting.summarise(study, form.rule) if form.is_valid() else None
    if summary and not summary.pairs:
        form.add_error(None, _no_pairs(summary))
    if request.method == "POST" and form.is_valid() and request.POST.get("action") != "count":
        version = _sealed(study, form, user_of(request))
        messages.success(request, f"{version.rows:,} pairs of study “{study.name}” are sealed as {version}.")
        return redirect(version)
    context = {"study": study, "form": form, "summary": summary}
    status = 422 if request.method == "POST" and form.errors else 200
    return render(request, "comparisons/results/make_dataset.html", context, status=status)


def _sealed(study: Study, form: MakeDatasetForm, user: User) -> DatasetVersion:
    """The study's pairs as the form says: added to the version that lacks them, or as a dataset of their own."""
    parent = study.fills
    if form.cleaned_data.get("join") and parent:
        return exporting.join_version(study, form.rule, parent, user)
    return exporting.make_dataset_version(study, form.rule, dataset_named(form.cleaned_data["dataset"], user), user)


def _is_closed(study: Study) -> bool:
    return study.state == StudyState.CLOSED


def _still_open(request: HttpRequest, study: Study) -> HttpResponse:
    """Before closing nothing is told: who knows the standings judges differently."""
    wanted = study.items.comparisons().count() * study.ratings_per_item
    have = Rating.objects.counted().filter(assignment__item__study=study).count()
    return render(request, "comparisons/results/open.html", {"study": study, "have": have, "wanted": wanted})


def _chosen_items(study: Study, request: HttpRequest) -> QuerySet[Item]:
    """The study's items, narrowed to a pair of contenders and to what was said, as the address asks."""
    items = study.items.select_related("prompt", "first__contender__policy", "second__contender__policy")
    items = items.order_by("position")
    contenders = {str(pk): pk for pk in study.contenders.values_list("pk", flat=True)}
    for name in ("one", "other"):
        if contender := contenders.get(request.GET.get(name, "")):
            items = items.filter(Q(first__contender=contender) | Q(second__contender=contender))
    said = request.GET.get("said", "")
    if said in Choice.values:
        standing = Rating.objects.standing().filter(choice=said)
        items = items.filter(pk__in=standing.values("assignment__item"))
    return items


def _export_page(request: HttpRequest, study: Study, form: ExportForm) -> HttpResponse:
    status = 422 if form.is_bound else 200
    return render(request, "comparisons/results/export.html", {"study": study, "form": form}, status=status)


def _no_pairs(summary: exporting.Summary) -> str:
    told = f"This rule makes no pair of the {summary.items:,} items ({summary.left_out})."
    return f"{told} Loosen it, or collect more judgements."


def _streamed(request: HttpRequest, chunks: Iterator[bytes], content_type: str) -> StreamingHttpResponse:
    """Send chunks as they are made. Under ASGI Django would first collect a plain iterator whole."""
    content = _async(chunks) if isinstance(request, ASGIRequest) else chunks
    return StreamingHttpResponse(content, content_type=content_type)


async def _async(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(lambda: next(chunks, None))
    while (chunk := await following()) is not None:
        yield chunk


urls = [
    path("studies/<slug:slug>/results/", results, name="study-results"),
    path("studies/<slug:slug>/robustness/", robustness, name="study-robustness"),
    path("studies/<slug:slug>/rows/", rows, name="study-rows"),
    path("studies/<slug:slug>/export/", export, name="study-export"),
    path("studies/<slug:slug>/make-dataset/", make_dataset, name="study-make-dataset"),
]
