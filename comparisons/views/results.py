"""Results of closed studies, and the judgements behind each figure. Researchers only."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from alignapp.accounts.access import researcher_required, user_of
from comparisons import results as finding
from comparisons.adjudication import latest
from comparisons.forms.results import LookForm, RowsForm
from comparisons.models import Adjudication, Item, Rating, Study, StudyState, SurenessJob
from comparisons.raters import left_out
from comparisons.rendering import Shown, shown_alike
from comparisons.results.rows import Told, behind, items_behind, told
from comparisons.sureness import how_sure
from training.models import Policy

from .rating_pages import shown_prompt

ITEMS_PER_PAGE = 20


@researcher_required
@require_safe
def results(request: HttpRequest, slug: str) -> HttpResponse:
    """Who won, how sure that is, and what each policy cost."""
    study = get_object_or_404(Study, slug=slug)
    if not _is_closed(study):
        return still_open(request, study)
    form = LookForm(study, request.GET)
    context = _looked(study, form)
    context["results"] = finding.gather(study, context["look"])
    if context["look"].excluded:
        context["with_everybody"] = finding.verdict_of(study, form.look)
    return render(request, "comparisons/results/results.html", context)


@never_cache
@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def robustness(request: HttpRequest, slug: str) -> HttpResponse:
    """What would change the result, or how far a worker is with that; sent, what failed is asked once more."""
    study = get_object_or_404(Study, slug=slug)
    if not _is_closed(study):
        return still_open(request, study)
    context = _looked(study, LookForm(study, request.GET))
    found = how_sure(study, context["look"], user_of(request), again=request.method == "POST")
    if request.method == "POST":
        return redirect(request.get_full_path())
    context |= {"job": found} if isinstance(found, SurenessJob) else {"found": found}
    return render(request, "comparisons/results/robustness.html", context)


@researcher_required
@require_safe
def sureness_live(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Whether the worker has answered; nothing is computed for it."""
    job = get_object_or_404(SurenessJob, pk=pk)
    return render(request, "comparisons/results/_sureness.html", {"job": job})


@researcher_required
@require_safe
def rows(request: HttpRequest, slug: str) -> HttpResponse:
    """The items behind a figure, with both answers, who wrote them, and the judgements that it counts."""
    study = get_object_or_404(Study, slug=slug)
    if not _is_closed(study):
        return still_open(request, study)
    form = RowsForm(study, request.GET)
    context = _looked(study, form)
    counts = items_behind(study, context["look"], form.wanted)
    page = Paginator(list(counts), ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    judged = _judged(study, form, context, page)
    decided = latest(Adjudication.objects.filter(item__in=judged))
    context |= {
        "page": page,
        "rows": [
            (item, shown_prompt(item.prompt), _shown_answers(item), judged[item.pk], decided.get(item.pk))
            for item in _items(page)
        ],
        "items": len(counts),
        "judgements": sum(counts.values()),
    }
    return render(request, "comparisons/results/rows.html", context)


def _looked(study: Study, form: LookForm) -> dict[str, Any]:
    """What every page tells of the part of the study that it shows."""
    left = left_out(study)
    look = form.look_without(left)
    return {
        "study": study,
        "form": form,
        "look": look,
        "asked": form.asked,
        "left_out": left,
        "everybody_in": bool(left) and not look.excluded,
    }


def _items(page: Page[int]) -> list[Item]:
    """The items of a page, in its order."""
    found = Item.objects.select_related("prompt", "first__contender__policy", "second__contender__policy")
    items = found.in_bulk(list(page))
    return [items[pk] for pk in page]


def _judged(study: Study, form: RowsForm, context: dict[str, Any], page: Page[int]) -> dict[int, list[Told]]:
    """Item of the page -> its judgements, in the order in which they came."""
    judged: dict[int, list[Told]] = {item: [] for item in page}
    authors = (f"assignment__item__{answer}__contender__policy" for answer in ("first", "second"))
    ratings = behind(study, context["look"], form.wanted).filter(assignment__item__in=judged).order_by("id")
    for rating in ratings.select_related("assignment__rater", *authors):
        judged[rating.assignment.item_id].append(told(rating, context["left_out"]))
    return judged


def _shown_answers(item: Item) -> list[tuple[Policy | None, Shown]]:
    """Who answered (None: a person, for a check), and what."""
    answers = item.first, item.second
    shown = shown_alike(*(answer.text for answer in answers))
    authors = [answer.contender.policy if answer.contender else None for answer in answers]
    return list(zip(authors, shown, strict=True))


def _is_closed(study: Study) -> bool:
    return study.state == StudyState.CLOSED


def still_open(request: HttpRequest, study: Study) -> HttpResponse:
    """Before closing nothing is told: who knows the standings judges differently."""
    wanted = study.items.comparisons().count() * study.ratings_per_item
    have = Rating.objects.counted().filter(assignment__item__study=study).count()
    return render(request, "comparisons/results/open.html", {"study": study, "have": have, "wanted": wanted})


urls = [
    path("studies/<slug:slug>/results/", results, name="study-results"),
    path("studies/<slug:slug>/robustness/", robustness, name="study-robustness"),
    path("surenesses/<uuid:pk>/live/", sureness_live, name="sureness-live"),
    path("studies/<slug:slug>/rows/", rows, name="study-rows"),
]
