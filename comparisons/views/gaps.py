"""Two clicks from a gap in the data to people who fill it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods
from pydantic import ValidationError

from alignapp.accounts.access import researcher_required, user_of
from comparisons import collecting, gaps
from comparisons.forms.attempts import GapAttemptsForm
from comparisons.forms.collections import CollectionForm
from comparisons.forms.fields import comparable_policies
from comparisons.forms.studies import GapStudyForm
from training.models import DatasetVersion
from training.preferences.filters import Filter


def _gap(request: HttpRequest) -> gaps.Gap:
    """The gap that an address names: ?version=<pk> and `cluster`, `finding` or `filter` (JSON); raises NoGap."""
    asked = request.GET
    number = asked.get("version", "")
    version = get_object_or_404(
        DatasetVersion.objects.select_related("dataset"), pk=int(number) if number.isdecimal() else 0
    )
    if not version.path.is_file():
        raise Http404(f"The sealed file of {version} is not on this machine.")
    if asked.get("cluster", "").isdecimal():
        return gaps.cluster_gap(version, int(asked["cluster"]))
    if rule := asked.get("finding", ""):
        return gaps.rows_gap(version, Filter(finding=rule), rule.replace("_", " "))
    if chosen := asked.get("filter", ""):
        return gaps.rows_gap(version, _filter(chosen), "selected prompts")
    raise Http404("The address names no gap.")


def _filter(text: str) -> Filter:
    try:
        return Filter.model_validate_json(text)
    except ValidationError as error:
        raise Http404("The address names rows in a form that cannot be read.") from error


def _study(request: HttpRequest, form_class: type[GapStudyForm | GapAttemptsForm], template: str) -> HttpResponseBase:
    """The form of a study on a gap, or the study that it has made."""
    try:
        gap = _gap(request)
    except gaps.NoGap as nothing:
        return _nothing(request, nothing)
    form = form_class(gap, request.POST or None)
    if request.method == "POST" and form.is_valid() and (study := form.save(user_of(request))):
        return redirect(study)
    context = {"gap": gap, "form": form, "enough_policies": comparable_policies().count() > 1, "section": "studies"}
    return render(request, template, context, status=422 if form.errors else 200)


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def gap_study(request: HttpRequest) -> HttpResponseBase:
    """A study on the prompts of a gap, ready to be started."""
    return _study(request, GapStudyForm, "comparisons/gaps/study.html")


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def gap_collection(request: HttpRequest) -> HttpResponseBase:
    """A request for prompts like those of a gap, ready to be sent."""
    try:
        gap = _gap(request)
    except gaps.NoGap as nothing:
        return _nothing(request, nothing)
    first: dict[str, Any] = {"name": gap.name}
    form = CollectionForm(request.POST or None, initial=first)
    if request.method == "POST" and form.is_valid():
        asked = collecting.open_collection(
            **form.cleaned_data, examples=gap.examples, fills=gap.version, user=user_of(request)
        )
        return redirect(asked)
    context = {"gap": gap, "form": form, "section": "studies"}
    return render(request, "comparisons/gaps/collection.html", context, status=422 if form.errors else 200)


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def gap_attempts(request: HttpRequest) -> HttpResponseBase:
    """An adversarial study on prompts like those of a gap, ready to be opened."""
    return _study(request, GapAttemptsForm, "comparisons/gaps/attempts.html")


def _nothing(request: HttpRequest, nothing: gaps.NoGap) -> HttpResponse:
    messages.warning(request, str(nothing))
    return redirect(DatasetVersion.objects.get(pk=int(request.GET["version"])))


urls = [
    path("gaps/study/", gap_study, name="gap-study"),
    path("gaps/collection/", gap_collection, name="gap-collection"),
    path("gaps/attempts/", gap_attempts, name="gap-attempts"),
]
