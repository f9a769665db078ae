"""Pages on which a study is designed."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods

from alignapp.accounts.access import researcher_required, user_of
from comparisons.estimates import Estimate
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
        return render(request, "comparisons/studies/_estimate.html", {"estimate": form.estimate()})
    if "look" in request.POST:
        return _page(request, StudyForm(initial=StudyForm.as_sent(request.POST)), form.estimate())
    if form.is_valid() and (study := form.save(user_of(request))):
        return redirect(study)
    return _page(request, form, form.estimate())


def _page(request: HttpRequest, form: StudyForm, estimate: Estimate | None = None) -> HttpResponse:
    context = {
        "form": form,
        "estimate": estimate,
        "enough_policies": comparable_policies().count() > 1,
        "any_suite": Suite.objects.exists(),
        "section": "studies",
    }
    return render(request, "comparisons/studies/new.html", context, status=422 if form.errors else 200)


urls = [path("studies/new/", study_new, name="study-new")]
