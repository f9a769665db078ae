"""Results of closed studies, and the judgements behind each figure. Researchers only."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.http import require_safe

from alignapp.accounts.access import researcher_required
from comparisons import results as finding
from comparisons.adjudication import latest
from comparisons.forms.results import LookForm
from comparisons.models import Adjudication, Choice, Item, Rating, Study, StudyState
from comparisons.raters import left_out
from comparisons.rendering import Shown, shown_alike
from comparisons.results import robustness as asking
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
    look, everybody = form.look_without(left_out(study)), form.look
    context = {"study": study, "form": form, "look": look, "results": finding.gather(study, look)}
    if look.excluded:
        context["with_everybody"] = finding.verdict_of(study, everybody)
    return render(request, "comparisons/results/results.html", context)


@researcher_required
@require_safe
def robustness(request: HttpRequest, slug: str) -> HttpResponse:
    """What would change the result."""
    study = get_object_or_404(Study, slug=slug)
    if not _is_closed(study):
        return still_open(request, study)
    look = LookForm(study, request.GET).look_without(left_out(study))
    context = {"study": study, "found": asking.robustness(study, look)}
    return render(request, "comparisons/results/robustness.html", context)


@researcher_required
@require_safe
def rows(request: HttpRequest, slug: str) -> HttpResponse:
    """The items behind a figure, with both answers, who wrote them, and every judgement."""
    study = get_object_or_404(Study, slug=slug)
    if not _is_closed(study):
        return still_open(request, study)
    page = Paginator(_chosen_items(study, request), ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    judged: dict[int, list[Rating]] = {item.pk: [] for item in page}
    authors = (f"assignment__item__{answer}__contender__policy" for answer in ("first", "second"))
    standing = Rating.objects.standing().filter(assignment__item__in=judged).order_by("id")
    for rating in standing.select_related("assignment__rater", *authors):
        judged[rating.assignment.item_id].append(rating)
    decided = latest(Adjudication.objects.filter(item__in=judged))
    context = {
        "study": study,
        "page": page,
        "rows": [
            (item, shown_prompt(item.prompt), _shown_answers(item), judged[item.pk], decided.get(item.pk))
            for item in page
        ],
        "contenders": study.contenders.select_related("policy"),
        "choices": [choice for choice in Choice if choice not in {Choice.WITHDRAWN, Choice.A, Choice.B}],
    }
    return render(request, "comparisons/results/rows.html", context)


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


def _chosen_items(study: Study, request: HttpRequest) -> QuerySet[Item]:
    """The study's items, narrowed to one, to a pair of contenders and to what was said, as the address asks."""
    items = study.items.select_related("prompt", "first__contender__policy", "second__contender__policy")
    items = items.order_by("position")
    contenders = {str(pk): pk for pk in study.contenders.values_list("pk", flat=True)}
    for name in ("one", "other"):
        if contender := contenders.get(request.GET.get(name, "")):
            items = items.filter(Q(first__contender=contender) | Q(second__contender=contender))
    number, said = request.GET.get("item", ""), request.GET.get("said", "")
    if number.isdecimal():
        items = items.filter(position=min(int(number), 2**31) - 1)
    if said in Choice.values:
        standing = Rating.objects.standing().filter(choice=said)
        items = items.filter(pk__in=standing.values("assignment__item"))
    return items


urls = [
    path("studies/<slug:slug>/results/", results, name="study-results"),
    path("studies/<slug:slug>/robustness/", robustness, name="study-robustness"),
    path("studies/<slug:slug>/rows/", rows, name="study-rows"),
]
