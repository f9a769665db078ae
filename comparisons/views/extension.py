"""The page on which an open study gets more items or more ratings per item."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods

from alignapp.accounts.access import researcher_required, user_of
from comparisons.forms.extension import ExtensionForm
from comparisons.models import Study
from comparisons.studies import progress_of

EXTENDED = "The study asks for {items} and {ratings} ratings of each from now on. Workers add what is missing."


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def study_extend(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Ask for more of a study than it was begun with."""
    study = get_object_or_404(Study, slug=slug)
    form = ExtensionForm(study, request.POST or None)
    if request.method == "POST" and form.is_valid() and form.save(user_of(request)):
        study.refresh_from_db()
        items = f"{study.item_limit:,} items" if study.item_limit else "all items"
        messages.success(request, EXTENDED.format(items=items, ratings=study.ratings_per_item))
        return redirect(study)
    context = {"study": study, "form": form, "progress": progress_of(study), "section": "studies"}
    return render(request, "comparisons/managing/extend.html", context, status=422 if form.errors else 200)


urls = [path("studies/<slug:slug>/extend/", study_extend, name="study-extend")]
