"""The page of a study's checks: what there is, how raters did together, and three ways to add some."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from alignapp.accounts.access import researcher_required, user_of
from comparisons import authoring, checks
from comparisons.forms.checks import WAYS
from comparisons.models import ItemKind, Study

PER_PAGE = 50


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def study_checks(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The checks of a study; a form that is sent adds some. Lines that gave none come back to be mended."""
    study = get_object_or_404(Study, slug=slug)
    sent = next((way(study, request.POST, request.FILES) for way in WAYS if way.way == request.POST.get("way")), None)
    made = sent.save(user_of(request)) if sent and sent.is_valid() else None
    if made and made.count:
        messages.success(request, f"{made.count} check{'s' if made.count > 1 else ''} added.")
        if not made.rejected:
            return redirect("study-checks", slug=slug)
    forms = {way.way: sent.again(made) if sent and sent.way == way.way else way(study) for way in WAYS}
    context = _listed(study, request) | {"forms": forms, "rejected": made.rejected if made else []}
    failed = sent is not None and not (made and made.count)
    return render(request, "comparisons/managing/checks.html", context, status=422 if failed else 200)


def _listed(study: Study, request: HttpRequest) -> dict[str, Any]:
    found = study.items.exclude(kind=ItemKind.COMPARISON).select_related("prompt", "first", "second", "expected")
    page = Paginator(found.order_by("kind", "position"), PER_PAGE).get_page(request.GET.get("page"))
    tallies = checks.tallies(study)
    rows = [(item, tallies.get(item.pk)) for item in page]
    return {"study": study, "page": page, "rows": rows, "tab": "checks", "section": "studies"}


@researcher_required
@require_POST
def check_set_aside(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Show a check to nobody any more."""
    study = get_object_or_404(Study, slug=slug)
    item = get_object_or_404(study.items.exclude(kind=ItemKind.COMPARISON), pk=pk)
    authoring.set_aside(item, user_of(request))
    messages.success(request, "The check is set aside. What was said of it counts neither for nor against anybody.")
    return redirect("study-checks", slug=slug)


urls = [
    path("studies/<slug:slug>/checks/", study_checks, name="study-checks"),
    path("studies/<slug:slug>/checks/<int:pk>/set-aside/", check_set_aside, name="study-check-set-aside"),
]
