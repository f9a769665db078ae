"""The page of a study's guideline: its text, its versions, what each changed and how many judgements it had."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods

from alignapp.accounts.access import researcher_required, user_of
from comparisons.forms.guidelines import GuidelineForm
from comparisons.guidelines import versions
from comparisons.models import Study


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def study_guideline(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Read and revise what raters are told."""
    study = get_object_or_404(Study, slug=slug)
    before = study.current_guideline
    form = GuidelineForm(request.POST or None, initial={"text": study.guideline})
    if request.method == "POST" and form.is_valid() and (revised := form.save(study, user_of(request))):
        new = f"Version {revised.number} is what raters see from now on."
        messages.success(request, "Nothing was changed." if revised == before else new)
        return redirect("study-guideline", slug=slug)
    context = {"study": study, "form": form, "versions": versions(study), "tab": "guideline", "section": "studies"}
    return render(request, "comparisons/managing/guideline.html", context, status=422 if form.errors else 200)


urls = [path("studies/<slug:slug>/guideline/", study_guideline, name="study-guideline")]
