"""Pages about policies: all of them, one with its lineage, and registering a base model."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_http_methods

from alignapp.accounts.access import researcher_required, user_of
from training.config import Method
from training.forms.policies import PolicyForm
from training.launching.methods import GUIDES
from training.lineage import ancestors
from training.models import Policy, PolicyKind, Run
from training.runs import inspections

POLICIES_PER_PAGE = 50
RUNS_SHOWN = 20
INSPECTIONS_SHOWN = 5


@researcher_required
@require_GET
def policies(request: HttpRequest) -> HttpResponse:
    """Every base and trained policy, latest first, and where each is served."""
    kind = request.GET.get("kind", "")
    listed = Policy.objects.select_related("base", "run__dataset_version__dataset", "run__base")
    # What serves a policy belongs to comparisons, which this package does not import: only its rows are shown.
    listed = listed.prefetch_related("served__endpoint")
    if kind in PolicyKind.values:
        listed = listed.filter(kind=kind)
    page = Paginator(listed, POLICIES_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "training/policies/index.html", {"page": page, "kinds": PolicyKind.choices, "kind": kind})


@researcher_required
@require_GET
def policy(request: HttpRequest, pk: int) -> HttpResponse:
    """One policy: facts, lineage, what was trained from it, where it is served."""
    related = ("base", "run__dataset_version__dataset", "run__base", "created_by")
    shown = get_object_or_404(Policy.objects.select_related(*related).prefetch_related("served__endpoint"), pk=pk)
    context = {
        "policy": shown,
        "chain": ancestors(shown),
        "start": shown.root,
        "guides": GUIDES,
        "inspections": inspections.latest_of(shown, INSPECTIONS_SHOWN),
        "runs": Run.objects.filter(base=shown)
        .exclude(method=Method.INSPECTION)
        .select_related("dataset_version__dataset", "policy")[:RUNS_SHOWN],
    }
    return render(request, "training/policies/policy.html", context)


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def policy_new(request: HttpRequest) -> HttpResponse:
    """Register a model that runs can start from."""
    form = PolicyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and (registered := form.save(user_of(request))):
        return redirect(registered)
    return render(request, "training/policies/new.html", {"form": form}, status=422 if form.errors else 200)


urls: list[URLPattern] = [
    path("policies/", policies, name="policies"),
    path("policies/new/", policy_new, name="policy-new"),
    path("policies/<int:pk>/", policy, name="policy"),
]
