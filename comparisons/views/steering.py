"""Pages on which an open study is changed: who rates, and an item that nobody should see any more."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from alignapp.accounts.access import researcher_required, user_of
from comparisons.flags import SettingAsideRefused, put_back
from comparisons.forms.steering import SetAsideForm, StudyPoolsForm
from comparisons.models import ItemKind, Study
from comparisons.rendering import shown_alike

from .rating_pages import shown_prompt

ASIDE = "Item {number} is set aside. Nobody gets it any more, and what was said of it counts nowhere."
BACK = "Item {number} is back. Raters get it again, and what was said of it counts. One drawn in its place stays."


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def study_pools(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Ask other pools than the study began with."""
    study = get_object_or_404(Study, slug=slug)
    form = StudyPoolsForm(study, request.POST if request.method == "POST" else None)
    if form.is_valid() and form.save(user_of(request)):
        messages.success(request, "Saved. Items are given out accordingly from now on.")
        return redirect(study)
    context = {"study": study, "form": form, "section": "studies"}
    return render(request, "comparisons/managing/pools.html", context, status=422 if form.errors else 200)


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def item_set_aside(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """Show an item, without who wrote it, and set it aside for a reason."""
    study = get_object_or_404(Study, slug=slug)
    found = study.items.comparisons().select_related("prompt", "first", "second")
    item = get_object_or_404(found, position=number - 1)
    form = SetAsideForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and form.save(item, user_of(request)):
        messages.success(request, ASIDE.format(number=item.number))
        return redirect(study)
    context = {
        "study": study,
        "item": item,
        "prompt": shown_prompt(item.prompt),
        "answers": shown_alike(item.first.text, item.second.text),
        "form": form,
        "section": "studies",
    }
    return render(request, "comparisons/managing/set_aside.html", context, status=422 if form.errors else 200)


@researcher_required
@require_POST
def item_put_back(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """Undo setting an item aside by hand."""
    study = get_object_or_404(Study, slug=slug)
    item = get_object_or_404(study.items, position=number - 1, kind=ItemKind.COMPARISON)
    try:
        put_back(item, user_of(request))
        messages.success(request, BACK.format(number=item.number))
    except SettingAsideRefused as refusal:
        messages.error(request, str(refusal))
    return redirect(f"{study.get_absolute_url()}?show=set-aside#items")


urls = [
    path("studies/<slug:slug>/pools/", study_pools, name="study-pools"),
    path("studies/<slug:slug>/items/<int:number>/set-aside/", item_set_aside, name="study-item-set-aside"),
    path("studies/<slug:slug>/items/<int:number>/put-back/", item_put_back, name="study-item-put-back"),
]
