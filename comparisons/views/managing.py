"""Pages on which a study is followed: disagreements and their decision, the audit. Nothing on them tells who leads."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from alignapp.accounts.access import researcher_required, user_of
from comparisons import adjudication
from comparisons import raters as judging
from comparisons.forms.adjudication import AdjudicationForm
from comparisons.models import Study
from comparisons.rendering import shown_alike

from .rating_pages import shown_prompt

PER_PAGE = 50


@researcher_required
@require_safe
def raters(request: HttpRequest, slug: str) -> HttpResponse:
    """How each rater judges, what is suspicious in it, and whom the study's rule leaves out."""
    study = get_object_or_404(Study, slug=slug)
    rows = judging.rater_profiles(study)
    context = {
        "study": study,
        "rows": rows,
        "everybody": judging.everybody(study),
        "rule": study.rules.exclusion,
        "scatter": judging.scatter(rows),
        "tab": "raters",
        "section": "studies",
    }
    return render(request, "comparisons/managing/raters.html", context)


@researcher_required
@require_safe
def disagreements(request: HttpRequest, slug: str) -> HttpResponse:
    """Items of which raters said different things."""
    study = get_object_or_404(Study, slug=slug)
    found = adjudication.disputes(study)
    context = {
        "study": study,
        "page": Paginator(found, PER_PAGE).get_page(request.GET.get("page")),
        "undecided": sum(one.decided is None for one in found),
        "tab": "disagreements",
        "section": "studies",
    }
    return render(request, "comparisons/managing/disagreements.html", context)


@never_cache
@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def adjudicate(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Decide one item after the other, blind: neither policies nor votes are shown before the decision."""
    study, user = get_object_or_404(Study, slug=slug), user_of(request)
    form = AdjudicationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        sent = form.cleaned_data
        item = get_object_or_404(study.items.comparisons(), position=sent["item"])
        try:
            adjudication.decide(item, user, sent["choice"], sent["note"])
            messages.success(request, "Decided. The earlier judgements stay as they are.")
        except adjudication.AdjudicationRefused as refusal:
            messages.warning(request, str(refusal))
        return redirect("study-adjudicate", slug=slug)
    dispute = adjudication.next_dispute(study, user)
    if dispute is None:
        messages.info(request, "Nothing is left that you could decide.")
        return redirect("study-disagreements", slug=slug)
    item = dispute.item
    first, second = shown_alike(item.first.text, item.second.text)
    answers = [first, second] if adjudication.first_is_a(item, user) else [second, first]
    context = {
        "study": study,
        "item": item,
        "prompt": shown_prompt(item.prompt),
        "answers": list(zip("AB", answers, strict=True)),
        "form": form,
    }
    template = "comparisons/managing/adjudicate.html"
    return render(request, template, context | {"section": "studies"}, status=422 if form.errors else 200)


@researcher_required
@require_safe
def audit(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything that was done to the study, the latest first."""
    study = get_object_or_404(Study, slug=slug)
    entries = study.audit.select_related("actor").order_by("-id")
    context = {
        "study": study,
        "page": Paginator(entries, PER_PAGE).get_page(request.GET.get("page")),
        "tab": "audit",
        "section": "studies",
    }
    return render(request, "comparisons/managing/audit.html", context)


urls = [
    path("studies/<slug:slug>/raters/", raters, name="study-raters"),
    path("studies/<slug:slug>/disagreements/", disagreements, name="study-disagreements"),
    path("studies/<slug:slug>/adjudicate/", adjudicate, name="study-adjudicate"),
    path("studies/<slug:slug>/audit/", audit, name="study-audit"),
]
