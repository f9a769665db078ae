"""Pages that launch a run: choice of the method, the form, and the estimate beside it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alignapp.accounts.access import researcher_required, user_of
from training.config import Method
from training.forms.runs import LaunchForm, prefilled
from training.launching.data_verdict import data_verdict
from training.launching.methods import GUIDES
from training.launching.presets import PRESETS
from training.models import DatasetVersion
from training.runs import queue


@researcher_required
@require_GET
def run_methods(request: HttpRequest) -> HttpResponse:
    """Choose what to train with; the query string is passed on to the form."""
    return render(request, "training/runs/methods.html", {"guides": GUIDES, "query": request.GET.urlencode()})


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def run_new(request: HttpRequest, method: str) -> HttpResponse:
    """The launch form of one method; a link may fill it in."""
    chosen = _method_or_404(method)
    if request.method == "POST":
        form = LaunchForm(chosen, request.POST)
        if form.is_valid() and (run := _queued(form, request)):
            return redirect(run)
        return _form_page(request, form, trial=form, status=422)
    values, unknown = prefilled(chosen, request.GET)
    trial = LaunchForm(chosen, values)
    trial.is_valid()
    return _form_page(request, LaunchForm(chosen, initial=values), trial=trial, unknown=unknown)


@researcher_required
@require_POST
def run_estimate(request: HttpRequest, method: str) -> HttpResponse:
    """Time and memory of the form as it stands: a fragment for htmx, the whole page without script."""
    form = LaunchForm(_method_or_404(method), _smoothed(request.POST))
    form.is_valid()
    if request.headers.get("HX-Request"):
        return render(request, "training/runs/_estimate.html", {"trial": form})
    return _form_page(request, form, trial=form)


def _smoothed(sent: QueryDict) -> QueryDict:
    """What was sent, with the label smoothing of the button in its field if that was pressed."""
    if "smooth" not in sent:
        return sent
    data = sent.copy()
    data["label_smoothing"] = data.pop("smooth")[-1]
    return data


@researcher_required
@require_POST
def run_data_verdict(request: HttpRequest, method: str) -> HttpResponse:
    """What the report says of the version that the form holds now: a fragment for htmx."""
    form = LaunchForm(_method_or_404(method), request.POST)
    form.is_valid()
    form.errors.pop("override_reason", None)  # nobody was asked for it yet
    return render(request, "training/runs/_data_verdict.html", {"form": form, "trial": form})


@researcher_required
@require_GET
def run_data_progress(request: HttpRequest, method: str) -> HttpResponse:
    """How far the report on a version is that the form asked about, for as long as it is made; no content while
    nothing has changed, so that nobody is told the same again."""
    chosen = request.GET.get("dataset_version", "")
    version = DatasetVersion.objects.filter(pk=int(chosen)).first() if chosen.isdecimal() else None
    found = data_verdict(_method_or_404(method), version)
    if found and found.is_awaited and request.GET.get("stage") == found.version.report_stage:
        return HttpResponse(status=204)
    return render(request, "training/runs/_data_progress.html", {"found": found})


def _method_or_404(name: str) -> Method:
    if name not in {method.value for method in GUIDES}:
        raise Http404(f"There is no method called {name}.")
    return Method(name)


def _queued(form: LaunchForm, request: HttpRequest) -> Any:
    """Queue the run; a refusal becomes an error of the form."""
    try:
        return form.save(user_of(request))
    except queue.Refused as refusal:
        form.add_error(None, str(refusal))
        return None


def _form_page(
    request: HttpRequest, form: LaunchForm, *, trial: LaunchForm, unknown: list[str] | None = None, status: int = 200
) -> HttpResponse:
    form.fields["override_reason"] = trial.fields["override_reason"]  # which knows whether and why it is needed
    context = {
        "form": form,
        "trial": trial,
        "guide": GUIDES[form.method],
        "presets": PRESETS[form.method],
        "chosen_preset": request.GET.get("preset", ""),
        "kept": _kept(request),
        "left_out": f"{form.method.label} has no setting called {', '.join(unknown)}." if unknown else "",
        "estimate_url": reverse("run-estimate", args=[form.method]),
        "verdict_url": reverse("run-data-verdict", args=[form.method]),
    }
    return render(request, "training/runs/new.html", context, status=status)


def _kept(request: HttpRequest) -> str:
    """Base and data of the address, which a change of preset keeps."""
    query = request.GET.copy()
    for key in set(query) - {"base", "dataset_version", "name"}:
        del query[key]
    return query.urlencode()


urls = [
    path("runs/new/", run_methods, name="run-methods"),
    path("runs/new/<slug:method>/", run_new, name="run-new"),
    path("runs/new/<slug:method>/estimate/", run_estimate, name="run-estimate"),
    path("runs/new/<slug:method>/data/", run_data_verdict, name="run-data-verdict"),
    path("runs/new/<slug:method>/data/progress/", run_data_progress, name="run-data-progress"),
]
