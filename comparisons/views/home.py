"""The home page: the loop with live counts for researchers, the next item for annotators."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_safe

from alignapp.accounts.access import researcher_required, user_of
from comparisons import overview
from comparisons.demo import preparing


@require_safe
def home(request: HttpRequest) -> HttpResponseBase:
    """Researchers see the loop, annotators go straight to work."""
    if user_of(request).is_annotator:
        return redirect("rate")
    return render(request, "comparisons/home/home.html", _context())


@researcher_required
@require_safe
def home_live(request: HttpRequest) -> HttpResponse:
    """The parts of the page that change by themselves."""
    return render(request, "comparisons/home/_live.html", _context())


def _context() -> dict[str, Any]:
    found = {"stations": overview.stations(), "attention": overview.attention(), "demo": preparing.told()}
    return found | {"section": "home"}


urls = [path("", home, name="home"), path("home/live/", home_live, name="home-live")]
