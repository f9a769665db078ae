"""Pages of judgements on their way to a dataset version: how far a worker is, and where they lead. Researchers only."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_POST, require_safe

from alignapp.accounts.access import researcher_required
from comparisons import sealing as sealing_jobs
from comparisons.models import SealingJob
from training import jobs


@researcher_required
@require_safe
def sealing(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Pairs being sealed: how far that is, or how it ended."""
    return render(request, "comparisons/results/sealing.html", _context(pk))


@researcher_required
@require_safe
def sealing_live(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The part of the page that changes; its answer says when nothing more will."""
    return render(request, "comparisons/results/sealing.html#live", _context(pk))


@researcher_required
@require_POST
def sealing_cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop it; what was made by then goes away."""
    job = get_object_or_404(SealingJob, pk=pk)
    if not jobs.cancel(job):
        messages.info(request, "The sealing had ended before it could be cancelled.")
    return redirect(job)


def _context(pk: UUID) -> dict[str, Any]:
    found = SealingJob.objects.select_related("study", "parent__dataset", "version__dataset", "round__campaign")
    job = get_object_or_404(found, pk=pk)
    if job.round:
        back = reverse("campaign-data", args=[job.round.campaign.slug, job.round.number])
    else:
        back = reverse("study-make-dataset", args=[job.study.slug])
    return {"job": job, "rule": sealing_jobs.told_rule(job), "back": back, "section": "studies"}


urls = [
    path("sealings/<uuid:pk>/", sealing, name="sealing"),
    path("sealings/<uuid:pk>/live/", sealing_live, name="sealing-live"),
    path("sealings/<uuid:pk>/cancel/", sealing_cancel, name="sealing-cancel"),
]
