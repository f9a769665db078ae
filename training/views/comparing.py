"""Pages that lay versions side by side: a version beside its parent by the diff, any two by their reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.http import require_GET

from alignapp.accounts.access import researcher_required
from training.models import DatasetVersion
from training.preferences import reporting
from training.preferences.browsing import making
from training.preferences.cleaning import comparison, diffs
from training.preferences.cleaning.recipes import BadRecipe, read_stored
from training.preferences.cleaning.showing import ShownDifferences
from training.preferences.cleaning.wording import said
from training.preferences.report import Report

ROWS_PER_PAGE = 10
SECTION = {"section": "datasets"}


@require_GET
@researcher_required
def dataset_diff(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """What differs between a version and its parent: `?change=` removed, changed or added, `?step=` of the recipe."""
    versions = DatasetVersion.objects.select_related("dataset", "parent__dataset")
    version = get_object_or_404(versions, dataset__slug=slug, number=number)
    if version.parent is None:
        raise Http404(f"{version} was not made from another version.")
    diff = diffs.place(version.path, version.parent.sha256)
    files = (diff, version.path, version.parent.path)
    context = SECTION | {"version": version, "parent": version.parent, "missing": not all(f.is_file() for f in files)}
    if not context["missing"]:
        context |= _differences(request, version, diff)
    return render(request, "training/datasets/diff.html", context)


def _differences(request: HttpRequest, version: DatasetVersion, diff: Path) -> dict[str, Any]:
    counts = diffs.counts(diff)
    change, asked = request.GET.get("change", ""), request.GET.get("step", "")
    change = change if change in diffs.CHANGES else ""
    steps = _steps(version)
    step = int(asked) if asked.isdecimal() and 0 < int(asked) <= len(steps) else None
    length = sum(n for (c, s), n in counts.items() if change in ("", c) and step in (None, s))
    totals = diffs.by_change(diff)
    parent = version.parent
    assert parent is not None, "only a version with a parent has a diff"
    rows = ShownDifferences(parent.path, version.path, diffs.Differences(diff, length, change, step))
    return {
        "page": Paginator(rows, ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "changes": [(value, label, totals[value]) for value, label in diffs.CHANGES.items()],
        "change": change,
        "steps": [(n, words, sum(c for (_, s), c in counts.items() if s == n)) for n, words in enumerate(steps, 1)],
        "step": step,
        "kept": parent.rows - totals[diffs.REMOVED] - totals[diffs.CHANGED],
        "total": sum(totals.values()),
    }


def _steps(version: DatasetVersion) -> list[str]:
    try:
        return [said(step) for step in read_stored(version.recipe)] if version.recipe else []
    except BadRecipe:
        return []


@require_GET
@researcher_required
def dataset_compare(request: HttpRequest) -> HttpResponse:
    """Two versions (`?left=`, `?right=`, by their keys) of the same or of different datasets."""
    left, right = _asked(request, "left"), _asked(request, "right")
    left = left or (_other(right) if right else None)
    versions = DatasetVersion.objects.select_related("dataset").defer("origin", "recipe")
    context: dict[str, Any] = SECTION | {"left": left, "right": right, "versions": versions}
    if left and right:
        context |= _compared(left, right)
    return render(request, "training/datasets/compare.html", context)


@require_GET
@researcher_required
def dataset_compare_rows(request: HttpRequest) -> HttpResponse:
    """Which rows only one of two versions has; the page asks until the indexes of both are there."""
    left, right = _asked(request, "left"), _asked(request, "right")
    if left is None or right is None or not (left.path.is_file() and right.path.is_file()):
        raise Http404("There are no two such versions on this machine.")
    context = {"left": left, "right": right, **_rows_of(left, right), **_diff_of(left, right)}
    return render(request, "training/datasets/_compared_rows.html", context)


def _rows_of(left: DatasetVersion, right: DatasetVersion, *, ask: bool = False) -> dict[str, Any]:
    """What is known of the rows of both: `overlap`, or how far the `indexes` are that tell, or a `problem`."""
    try:
        if found := comparison.overlap(left, right):
            return {"overlap": found}
    except OSError as error:
        return {"problem": str(error) if error.errno is None else "An index of rows cannot be written to the disk."}
    missing = {v.path: far for v in (left, right) if (far := making.how_far(v.path))}
    if ask:
        for sealed in missing:
            making.ask_for(sealed)
    return {"indexes": missing.values(), "problem": next((far.problem for far in missing.values() if far.problem), "")}


def _asked(request: HttpRequest, name: str) -> DatasetVersion | None:
    key = request.GET.get(name, "")
    versions = DatasetVersion.objects.select_related("dataset", "parent__dataset")
    return versions.filter(pk=int(key)).first() if key.isdecimal() and len(key) < 10 else None


def _other(version: DatasetVersion) -> DatasetVersion | None:
    """The latest other version of the same dataset."""
    others = DatasetVersion.objects.select_related("dataset", "parent__dataset").exclude(pk=version.pk)
    return others.filter(dataset=version.dataset).order_by("-number").first()


def _compared(left: DatasetVersion, right: DatasetVersion) -> dict[str, Any]:
    reports = (_report(left), _report(right))
    one, other = reports
    here = left.path.is_file() and right.path.is_file()
    context: dict[str, Any] = {
        "facts": comparison.facts(left, right, reports),
        "reports": bool(one and other),
        "notes": [note for version in (left, right) if (note := reporting.standing(version).note)],
        "here": here,
        "same_settings": bool(one and other and one.settings == other.settings),
        **_diff_of(left, right),
    }
    if here:
        context |= _rows_of(left, right, ask=True)
    if one and other:
        context["findings"] = comparison.findings(one, other)
        names = [(str(v), r.lengths) for v, r in ((left, one), (right, other))]
        context["charts"] = comparison.length_charts(names[0], names[1])
    return context


def _report(version: DatasetVersion) -> Report | None:
    return reporting.report_of(version) if version.path.is_file() else None


def _diff_of(left: DatasetVersion, right: DatasetVersion) -> dict[str, Any]:
    """The child of the two, if one was made from the other and the diff is there."""
    for parent, child in ((left, right), (right, left)):
        if child.parent_id == parent.pk and diffs.place(child.path, parent.sha256).is_file():
            return {"child": child}
    return {"child": None}


urls = [
    path("datasets/<slug:slug>/v<int:number>/diff/", dataset_diff, name="dataset-diff"),
    path("compare/", dataset_compare, name="dataset-compare"),
    path("compare/rows/", dataset_compare_rows, name="dataset-compare-rows"),
]
