"""The page on which doubtful pairs are judged once more, without their labels."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods

from alignapp.accounts.access import researcher_required, user_of
from training.models import DatasetVersion
from training.preferences import second_look
from training.preferences.second_look import Choice, Progress
from training.views.datasets import version_with_file_or_404


@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def dataset_second_look(request: HttpRequest, slug: str, number: int, rule: str) -> HttpResponse:
    """The next pair of a finding that has no second judgement; a POST holds `row` and `choice`, or `undo` and `row`."""
    version = version_with_file_or_404(slug, number)
    if rule not in second_look.DOUBTFUL:
        raise Http404("Only labels can be judged again.")
    if request.method == "POST":
        return _post(request, version, rule)
    rows = second_look.doubted(version, rule)
    if not len(rows):
        messages.warning(request, "The report on this version lists no pairs for this finding. Look at its rows first.")
        return redirect(version)
    found = second_look.progress(version, rows)
    row = second_look.next_row(version, rows)
    context = {
        "version": version,
        "finding": rule,
        "progress": found,
        "pair": None if row is None else second_look.shown(version, row),
        "last": second_look.latest(version, rows, user_of(request)),
        "clean_address": _clean_address(version, found),
        "section": "datasets",
    }
    return render(request, "training/datasets/second_look.html", context)


def _post(request: HttpRequest, version: DatasetVersion, rule: str) -> HttpResponse:
    sent = request.POST
    row = int(sent["row"]) if sent.get("row", "").isdecimal() else -1
    if row not in second_look.doubted(version, rule):
        return HttpResponseBadRequest("The form names no pair of this finding. Go back and load the page again.")
    if sent.get("choice") == "undo":
        second_look.take_back(version, row)
    elif sent.get("choice") in set(Choice):
        second_look.judge(version, row, Choice(sent["choice"]), user_of(request))
    else:
        return HttpResponseBadRequest("The form names no answer. Go back and choose one of the three buttons.")
    return redirect("dataset-second-look", version.dataset.slug, version.number, rule)


def _clean_address(version: DatasetVersion, found: Progress) -> str:
    """Where the recipe that follows from the judgements waits; empty while it would do nothing."""
    recipe = second_look.recipe(found)
    if not recipe.steps:
        return ""
    address = reverse("dataset-clean", args=[version.dataset.slug, version.number])
    return f"{address}?{urlencode({'recipe': recipe.token()})}"


urls: list[URLPattern] = [
    path("datasets/<slug:slug>/v<int:number>/again/<slug:rule>/", dataset_second_look, name="dataset-second-look"),
]
