"""The page that launches several methods on the same data with the same budget."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from alignapp.accounts.access import researcher_required, user_of
from training.forms.together import TogetherForm
from training.models import Policy, PolicyKind, Run
from training.runs import queue


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def runs_together(request: HttpRequest) -> HttpResponse:
    """Show what each method would do; on sending, queue all of them. A link may fill the form in."""
    if request.method == "POST":
        form = TogetherForm(request.POST)
        counting = request.POST.get("action") == "count"
        if form.is_valid() and not counting and (runs := _queued(form, request)):
            return _launched(request, runs)
        if counting:
            form.errors.pop("override_reason", None)  # nobody was asked for it yet
        return _page(request, form, status=200 if counting and not form.errors else 422)
    form = TogetherForm(_prefilled(request))
    form.is_valid()
    form.errors.clear()
    return _page(request, form)


def _prefilled(request: HttpRequest) -> dict[str, Any]:
    """Defaults, what the address says, and the base of the latest run where it says none."""
    values: dict[str, Any] = {name: field.initial for name, field in TogetherForm.base_fields.items()}
    values["ticket"] = values["ticket"]()
    latest = Run.objects.exclude(base__kind=PolicyKind.UNTRAINED).order_by("-created_at").first()
    base = latest.base if latest else Policy.objects.filter(kind=PolicyKind.BASE).first()
    values |= {"base": base.pk if base else "", "dataset_version": ""}
    return values | {name: value for name, value in request.GET.items() if name in ("base", "dataset_version")}


def _queued(form: TogetherForm, request: HttpRequest) -> list[Run]:
    """Queue the runs; a refusal becomes an error of the form."""
    try:
        return form.save(user_of(request))
    except queue.Refused as refusal:
        form.add_error(None, str(refusal))
        return []


def _launched(request: HttpRequest, runs: list[Run]) -> HttpResponse:
    names = ", ".join(run.get_method_display() for run in runs)
    messages.success(request, f"Queued with the same base, data, seed and budget: {names}.")
    ids = urlencode({"ids": ",".join(str(run.pk) for run in runs)})
    return redirect(f"{reverse('run-compare')}?{ids}" if len(runs) > 1 else runs[0].get_absolute_url())


def _page(request: HttpRequest, form: TogetherForm, status: int = 200) -> HttpResponse:
    return render(request, "training/runs/together.html", {"form": form}, status=status)


urls = [path("runs/new/together/", runs_together, name="runs-together")]
