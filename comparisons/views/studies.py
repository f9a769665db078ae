"""Pages about studies: list, follow and steer one; and which policies are served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_POST, require_safe

from alignapp.accounts.access import researcher_required, user_of
from comparisons import studies as running
from comparisons.design_in_words import design_in_words
from comparisons.flags import flags_of
from comparisons.forms.rating import SKIP_REASONS
from comparisons.models import AssignmentState, Endpoint, Item, ItemKind, Study, StudyState
from comparisons.pace import active_raters, bars, by_hour, pace_of
from comparisons.rendering import shown_alike
from comparisons.stopping import paused_by_rule, waiting

STUDIES_PER_PAGE = 25
ITEMS_PER_PAGE = 25
LATE = "The study was {state} before your click came; nothing was changed."


@researcher_required
@require_safe
def studies(request: HttpRequest) -> HttpResponse:
    """All studies with how far each is."""
    found = Study.objects.prefetch_related("suites")
    page = Paginator(found, STUDIES_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "summaries": running.summaries(page), "section": "studies"}
    return render(request, "comparisons/studies/list.html", context)


@researcher_required
@require_safe
def study(request: HttpRequest, slug: str) -> HttpResponse:
    """How far a study is, and its items; who leads is said only after closing."""
    found = get_object_or_404(Study.objects.select_related("created_by"), slug=slug)
    show, reason = request.GET.get("show", ""), request.GET.get("reason", "")
    flags = flags_of(found) if show == "flagged" else {}
    flags = {item: said for item, said in flags.items() if reason in said or not reason}
    page = Paginator(_items(found, show, list(flags)), ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    context = _live(found) | {
        "page": page,
        "rows": [(item, _in_words(flags.get(item.pk, Counter()))) for item in page],
        "show": show,
        "steerable": found.state in {StudyState.OPEN, StudyState.PAUSED},
        "design": design_in_words(found),
        "guideline": shown_alike(found.guideline)[0] if found.guideline else None,
        "bars": [] if found.state == StudyState.CLOSED else bars(by_hour(found)),
        "section": "studies",
    }
    return render(request, "comparisons/studies/study.html", context)


@researcher_required
@require_safe
def study_live(request: HttpRequest, slug: str) -> HttpResponse:
    """The parts of the page that change by themselves."""
    found = get_object_or_404(Study, slug=slug)
    return render(request, "comparisons/studies/_live.html", _live(found))


def _live(study: Study) -> dict[str, Any]:
    done = study.state in {StudyState.CLOSED, StudyState.FAILED}
    progress = running.progress_of(study)
    missing = max(0, progress.ratings_wanted - progress.ratings)
    by_rule = paused_by_rule(study) if study.state == StudyState.PAUSED else None
    flags = flags_of(study)
    return {
        "study": study,
        "progress": progress,
        "pace": pace_of(study, missing),
        "active": active_raters(study) if study.state == StudyState.OPEN else 0,
        "flags": _in_words(sum(flags.values(), Counter())),
        "flagged": len(flags),
        # Generating is watched by who waits for it; what people judge comes in slowly, and counting it takes longer.
        "every": 2 if study.state == StudyState.GENERATING else 10,
        "stopped": by_rule.detail if by_rule else None,
        "waiting": waiting(study),
        "done": done,
    }


def _in_words(reasons: Counter[str]) -> list[tuple[str, str, int]]:
    """(reason, as raters read it, how often it was given) for skipping, most frequent first."""
    words = dict(SKIP_REASONS)
    return [(reason, words.get(reason, reason), count) for reason, count in reasons.most_common()]


def _items(study: Study, show: str, flagged: Sequence[int]) -> QuerySet[Item]:
    """Items with their texts and how often each was judged; never who wrote them."""
    judged = Count("assignments", filter=Q(assignments__state=AssignmentState.DONE))
    items = study.items.filter(kind=ItemKind.COMPARISON).select_related("prompt", "first", "second")
    items = items.annotate(judged=judged)
    items = items.exclude(quarantine="") if show == "set-aside" else items.filter(quarantine="")
    items = items.filter(pk__in=flagged) if show == "flagged" else items
    return items.order_by("position")


def _mover(verb: str) -> Any:
    @researcher_required
    @require_POST
    def moved(request: HttpRequest, slug: str) -> HttpResponseBase:
        found = get_object_or_404(Study, slug=slug)
        if not running.move(found, verb, user_of(request)):
            found.refresh_from_db()
            messages.warning(request, LATE.format(state=found.get_state_display().lower()))
        return redirect(found)

    return moved


@researcher_required
@require_safe
def serving(request: HttpRequest) -> HttpResponse:
    """Engines and what is up on them; with `live`, the changing part alone."""
    endpoints = Endpoint.objects.select_related("root").prefetch_related("served__policy__run")
    template = "comparisons/serving/serving.html" + ("#live" if "live" in request.GET else "")
    return render(request, template, {"endpoints": endpoints, "section": "policies"})


urls = [
    path("studies/", studies, name="studies"),
    path("studies/<slug:slug>/", study, name="study"),
    path("studies/<slug:slug>/live/", study_live, name="study-live"),
    path("studies/<slug:slug>/pause/", _mover("pause"), name="study-pause"),
    path("studies/<slug:slug>/reopen/", _mover("reopen"), name="study-reopen"),
    path("studies/<slug:slug>/retry/", _mover("retry"), name="study-retry"),
    path("studies/<slug:slug>/close/", _mover("close"), name="study-close"),
    path("policies/serving/", serving, name="serving"),
]
