"""Pages on which a study is designed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods

from alignapp.accounts.access import researcher_required, user_of
from comparisons.forms.fields import comparable_policies
from comparisons.forms.studies import StudyForm
from comparisons.models import Suite


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def study_new(request: HttpRequest) -> HttpResponse:
    """Design a study; htmx asks for the estimate alone while the form is being filled in."""
    if request.method != "POST":
        return _page(request, StudyForm(initial={"suites": request.GET.getlist("suite")}))
    form = StudyForm(request.POST)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "comparisons/studies/_estimate.html", _estimate(form))
    if "look" in request.POST:
        shown = StudyForm.as_sent(request.POST)
        return _page(request, StudyForm(initial=shown), _estimate(StudyForm(shown)))
    if form.is_valid() and (study := form.save(user_of(request))):
        return redirect(study)
    return _page(request, form, _estimate(form))


def _estimate(form: StudyForm) -> dict[str, Any]:
    estimate = form.estimate()
    return {"estimate": estimate, "needed": form.needed(estimate)}


def _page(request: HttpRequest, form: StudyForm, estimate: Mapping[str, Any] | None = None) -> HttpResponse:
    context = {
        **(estimate or {}),
        "form": form,
        "enough_policies": comparable_policies().count() > 1,
        "any_suite": Suite.objects.exists(),
        "section": "studies",
    }
    return render(request, "comparisons/studies/new.html", context, status=422 if form.errors else 200)


urls = [path("studies/new/", study_new, name="study-new")]
