"""Pages about prompt suites: list, make one, look at one."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from alignapp.accounts.access import researcher_required, user_of
from comparisons.cluster_prompts import mapped_versions
from comparisons.forms.suites import SuiteForm, TopicSuiteForm
from comparisons.models import Suite
from comparisons.suites import hold

SUITES_PER_PAGE = 50
PROMPTS_PER_PAGE = 50


@researcher_required
@require_safe
def suites(request: HttpRequest) -> HttpResponse:
    """All suites with their sizes and uses."""
    sizes = {"size": Count("prompts", distinct=True), "uses": Count("studies", distinct=True)}
    counted = Suite.objects.annotate(**sizes).defer("rejected").order_by("name")
    page = Paginator(counted, SUITES_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "comparisons/suites/list.html", {"page": page, "section": "studies"})


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def suite_new(request: HttpRequest) -> HttpResponse:
    """Make a suite from pasted lines or a file."""
    form = SuiteForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        return redirect(form.save(user_of(request)))
    status = 422 if form.errors else 200
    return render(request, "comparisons/suites/new.html", {"form": form, "section": "studies"}, status=status)


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def suite_from_dataset(request: HttpRequest) -> HttpResponse:
    """Make a suite of prompts drawn from topics of a dataset version, which ?version= names."""
    versions = mapped_versions()
    chosen = next((version for version in versions if str(version.pk) == request.GET.get("version", "")), None)
    form = TopicSuiteForm(chosen, request.POST or None) if chosen else None
    if form and request.method == "POST" and form.is_valid() and (made := form.save(user_of(request))):
        return redirect(made)
    context = {"versions": versions, "chosen": chosen, "form": form, "section": "studies"}
    status = 422 if form and form.errors else 200
    return render(request, "comparisons/suites/from_dataset.html", context, status=status)


@researcher_required
@require_safe
def suite(request: HttpRequest, slug: str) -> HttpResponse:
    """The prompts of a suite, and the lines that gave none."""
    found = get_object_or_404(Suite.objects.select_related("created_by"), slug=slug)
    context = {
        "suite": found,
        "page": Paginator(found.prompts.order_by("position"), PROMPTS_PER_PAGE).get_page(request.GET.get("page")),
        "studies": found.studies.all(),
        "section": "studies",
    }
    return render(request, "comparisons/suites/suite.html", context)


@researcher_required
@require_POST
def suite_hold(request: HttpRequest, slug: str) -> HttpResponse:
    """Hold a suite for evaluation, or release it."""
    found = get_object_or_404(Suite, slug=slug)
    hold(found, request.POST.get("held") == "yes", user_of(request))
    return redirect(found)


urls = [
    path("suites/", suites, name="suites"),
    path("suites/new/", suite_new, name="suite-new"),
    path("suites/from-dataset/", suite_from_dataset, name="suite-from-dataset"),
    path("suites/<slug:slug>/", suite, name="suite"),
    path("suites/<slug:slug>/hold/", suite_hold, name="suite-hold"),
]
