"""Pages on which a study is followed: disagreements and their decision, the audit. Nothing on them tells who leads."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from alignapp.accounts.access import researcher_required, user_of
from alignapp.accounts.models import User
from comparisons import adjudication, audit_in_words
from comparisons.following import follow
from comparisons.forms.adjudication import AdjudicationForm
from comparisons.models import Item, Study, StudyState
from comparisons.rendering import shown_alike

from .rating_pages import shown_prompt

PER_PAGE = 50


@researcher_required
@require_safe
def raters(request: HttpRequest, slug: str) -> HttpResponse:
    """How each rater judges, what is suspicious in it, and whom the study's rule leaves out."""
    study = get_object_or_404(Study, slug=slug)
    context = {
        "study": study,
        "found": follow(study),
        "rule": study.rules.exclusion,
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
        "undecided": len(adjudication.open_disputes(study, user_of(request))),
        "decidable": study.state in {StudyState.OPEN, StudyState.PAUSED},
        "tab": "disagreements",
        "section": "studies",
    }
    return render(request, "comparisons/managing/disagreements.html", context)


@never_cache
@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def adjudicate(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Decide one item after the other, blind: neither policies nor votes are shown before the decision.

    ?item= asks for one item, decided or not; ?after= for the one that comes after it.
    """
    study, user = get_object_or_404(Study, slug=slug), user_of(request)
    form = AdjudicationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        _decide(request, study, form.cleaned_data)
        return redirect(f"{reverse('study-adjudicate', args=[slug])}?after={form.cleaned_data['item']}")
    try:
        dispute = _asked_for(study, user, request)
    except adjudication.AdjudicationRefused as refusal:
        messages.warning(request, str(refusal))
        return redirect("study-disagreements", slug=slug)
    if dispute is None:
        messages.info(request, "Nothing is left that you could decide.")
        return redirect("study-disagreements", slug=slug)
    return _decision_page(request, study, dispute, form)


def _decide(request: HttpRequest, study: Study, sent: dict[str, Any]) -> None:
    """Store a decision and say what became of it."""
    item = _numbered(study, sent["item"])
    try:
        adjudication.decide(item, user_of(request), sent["choice"], sent["note"], sent["replaces"])
        messages.success(request, "Decided. The earlier judgements stay as they are.")
    except adjudication.AdjudicationRefused as refusal:
        messages.warning(request, str(refusal))


def _asked_for(study: Study, user: User, request: HttpRequest) -> adjudication.Dispute | None:
    """The item that the address or a refused form names, or else the next one."""
    number = request.POST.get("item") or request.GET.get("item", "")
    if number.isdecimal():
        return adjudication.dispute_about(_numbered(study, int(number)), user)
    after = request.GET.get("after", "")
    return adjudication.next_dispute(study, user, int(after) if after.isdecimal() else None)


def _numbered(study: Study, number: int) -> Item:
    found: Item = get_object_or_404(study.items.comparisons().select_related("study"), position=min(number, 2**31) - 1)
    return found


def _decision_page(
    request: HttpRequest, study: Study, dispute: adjudication.Dispute, form: AdjudicationForm
) -> HttpResponse:
    item, user = dispute.item, user_of(request)
    first, second = shown_alike(item.first.text, item.second.text)
    answers = [first, second] if adjudication.first_is_a(item, user) else [second, first]
    context = {
        "study": study,
        "item": item,
        "decided": dispute.decided,
        "several": len(adjudication.open_disputes(study, user)) > 1,
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
    page = Paginator(entries, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "study": study,
        "page": page,
        "rows": audit_in_words.told(page),
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
