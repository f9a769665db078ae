"""Pages about runs: the queue and history, the live page of one run, comparison."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_POST

from alignapp.accounts.access import researcher_required
from training.config import Method
from training.diagnosis.evidence import Evidence
from training.downloads import file_download
from training.launching.config_fields import values_of
from training.launching.data_verdict import UNCHECKED, DataVerdict, data_verdict
from training.models import Run
from training.models.runs import FINISHED, RunState
from training.runs import alarms, attention, comparison, curves, queue, story
from training.runs.progress import progress_of

from . import launch, together

RUNS_PER_PAGE = 25
EVIDENCE_PER_PAGE = 25
MOVES = {"up": "Moved up.", "down": "Moved down.", "front": "Moved to the front."}


# --- Queue and history ----------------------------------------------------------------------------------------------


@researcher_required
@require_GET
def runs(request: HttpRequest) -> HttpResponse:
    """The queue, and every finished run."""
    method, state = request.GET.get("method", ""), request.GET.get("state", "")
    finished = Run.objects.finished().select_related("dataset_version__dataset", "base", "policy", "created_by")
    if method in set(Method):
        finished = finished.filter(method=method)
    if state in FINISHED:
        finished = finished.filter(state=state)
    page = Paginator(finished, RUNS_PER_PAGE).get_page(request.GET.get("page"))
    context = _queue() | {
        "page": page,
        "history": [(run, curves.key_figure(run.method, run.result.get("metrics", {}))) for run in page],
        "methods": list(Method),
        "states": [RunState(state) for state in FINISHED],
        "method": method,
        "state": state,
    }
    return render(request, "training/runs/index.html", context)


@researcher_required
@require_GET
def run_queue(request: HttpRequest) -> HttpResponse:
    """The queue alone, for the page to keep itself up to date."""
    return render(request, "training/runs/_queue.html", _queue())


def _queue() -> dict[str, Any]:
    related = ("dataset_version__dataset", "base", "created_by")
    active = list(Run.objects.active().select_related(*related))
    waiting = list(Run.objects.waiting().select_related(*related))
    progress = progress_of(active)
    return {"active": [(run, progress[run.pk]) for run in active], "waiting": waiting}


@researcher_required
@require_POST
def run_move(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Move a waiting run up, down or to the front; `to` says which."""
    run, to = get_object_or_404(Run, pk=pk), request.POST.get("to", "")
    if to not in MOVES:
        return HttpResponseBadRequest("Say where to: up, down or front.")
    if to == "front":
        queue.move_to_front(run)
    else:
        queue.move(run, up=to == "up")
    if not request.headers.get("HX-Request"):
        return redirect("runs")
    answer = render(request, "training/runs/_queue.html", _queue())
    answer["HX-Trigger"] = json.dumps({"notify": {"level": "success", "text": f"{run}: {MOVES[to]}"}})
    return answer


# --- One run --------------------------------------------------------------------------------------------------------


def _run_or_404(pk: UUID) -> Run:
    related = ("dataset_version__dataset", "base", "policy", "created_by")
    return get_object_or_404(Run.objects.select_related(*related), pk=pk)


@researcher_required
@require_GET
def run(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Everything about one run; the parts that change renew themselves while it is active."""
    shown = _run_or_404(pk)
    behind = _other(request, shown)
    context = _live(request, shown) | {
        "settings": values_of(Method(shown.method), shown.config),
        "comparable": story.comparable_runs(shown, behind),
        "behind": behind,
        "data_now": _verdict_now(shown),
    }
    return render(request, "training/runs/run.html", context)


def _verdict_now(shown: Run) -> DataVerdict | None:
    """What the report says today of data that nobody had looked at when the run was queued."""
    was_unchecked = shown.data_verdict == UNCHECKED
    return data_verdict(Method(shown.method), shown.dataset_version) if was_unchecked else None


@researcher_required
@require_GET
def run_live(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The parts of the page that change, each with its id."""
    return render(request, "training/runs/_live.html", _live(request, _run_or_404(pk)))


def _live(request: HttpRequest, shown: Run) -> dict[str, Any]:
    step = request.GET.get("sample", "")
    charts = curves.charts_of(curves.names_of([shown]))
    return {
        "run": shown,
        "progress": progress_of([shown])[shown.pk],
        "alarms": attention.shown_alarms(shown),
        "watched": any(alarms.is_look(chart.names) for chart in charts),
        "warnings": story.warnings_of(shown),
        "resume_step": story.last_checkpoint(shown),
        "launch_link": story.launch_link(shown),
        "charts": charts,
        "latest": curves.latest_values(shown),
        "tokens_per_second": shown.tokens / shown.train_seconds if shown.train_seconds else None,
        "samples": story.samples_of(shown, int(step) if step.isdigit() else None),
        "log": story.log_tail(shown),
        "events": shown.events.order_by("-id")[:200],
        "query": request.GET.urlencode(),
    }


def _other(request: HttpRequest, shown: Run) -> Run | None:
    """The run to draw dotted behind this one, where the address names one."""
    try:
        return Run.objects.exclude(pk=shown.pk).filter(pk=UUID(request.GET.get("with", ""))).first()
    except ValueError:
        return None


@researcher_required
@require_GET
def run_metrics(request: HttpRequest, pk: UUID) -> JsonResponse:
    """The curves of a run in the form that static/js/charts.js draws."""
    shown = get_object_or_404(Run, pk=pk)
    return JsonResponse(curves.curves_of_run(shown, _other(request, shown)))


@researcher_required
@require_GET
def run_evidence(request: HttpRequest, pk: UUID, file: str, selector: str) -> HttpResponse:
    """All pairs or answers behind an alarm, from the latest values that the trainer kept."""
    shown = _run_or_404(pk)
    evidence = Evidence(file, selector)  # type: ignore[arg-type]  # refused by the next line
    try:
        words = attention.words_of(evidence)
    except KeyError:
        raise Http404("There is no such selection of pairs or answers.") from None
    items = attention.items_behind(shown, evidence)
    page = Paginator(items, EVIDENCE_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "run": shown,
        "heading": words[:1].upper() + words[1:].partition(",")[0],
        "lead": attention.lead_of(evidence, len(items)) if items else "",
        "file": file,
        "page": page,
        "found": attention.with_rows(shown.dataset_version, items[page.start_index() - 1 : page.end_index()]),
    }
    return render(request, "training/runs/evidence.html", context)


@researcher_required
@require_GET
def run_log(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """The whole trainer.log as a file."""
    chosen = get_object_or_404(Run, pk=pk)
    log = chosen.folder / "trainer.log"
    if not log.is_file():
        messages.info(request, "There is no log to download: no trainer was started for this run so far.")
        return redirect(chosen)
    return file_download(log, f"{pk}.log", "text/plain; charset=utf-8")


@researcher_required
@require_POST
def run_cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Cancel a waiting run, or ask for the end of an active one."""
    chosen = get_object_or_404(Run, pk=pk)
    queue.cancel(chosen)
    return redirect("runs" if request.POST.get("from") == "queue" else chosen)


@researcher_required
@require_POST
def run_resume(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Queue a failed or cancelled run again."""
    chosen = get_object_or_404(Run, pk=pk)
    queue.resume(chosen)
    return redirect(chosen)


# --- Comparison -----------------------------------------------------------------------------------------------------


@researcher_required
@require_GET
def run_compare(request: HttpRequest) -> HttpResponse:
    """Runs beside each other: only what differs, final metrics, curves on top of each other."""
    chosen = _chosen(request)[: comparison.MOST_RUNS]
    data = curves.curves_of_runs(chosen)
    context = {
        "runs": chosen,
        "too_few": len(chosen) < 2,
        "differences": comparison.differences(chosen),
        "metrics": comparison.final_metrics(chosen),
        "charts": [(name, curves.family_of(name)) for name in data["charts"]],
        "curves": data,
    }
    return render(request, "training/runs/compare.html", context)


def _chosen(request: HttpRequest) -> list[Run]:
    """The runs of ?ids=a,b or ?ids=a&ids=b, in that order; what is no id is left out."""
    ids = []
    for text in ",".join(request.GET.getlist("ids")).split(","):
        try:
            ids.append(UUID(text.strip()))
        except ValueError:
            continue
    found = Run.objects.select_related("dataset_version__dataset", "base").in_bulk(ids)
    return [found[pk] for pk in dict.fromkeys(ids) if pk in found]


urls: list[URLPattern] = [
    *together.urls,
    *launch.urls,
    path("runs/", runs, name="runs"),
    path("runs/queue/", run_queue, name="run-queue"),
    path("runs/compare/", run_compare, name="run-compare"),
    path("runs/<uuid:pk>/", run, name="run"),
    path("runs/<uuid:pk>/live/", run_live, name="run-live"),
    path("runs/<uuid:pk>/metrics/", run_metrics, name="run-metrics"),
    path("runs/<uuid:pk>/evidence/<slug:file>/<slug:selector>/", run_evidence, name="run-evidence"),
    path("runs/<uuid:pk>/log/", run_log, name="run-log"),
    path("runs/<uuid:pk>/cancel/", run_cancel, name="run-cancel"),
    path("runs/<uuid:pk>/resume/", run_resume, name="run-resume"),
    path("runs/<uuid:pk>/move/", run_move, name="run-move"),
]
