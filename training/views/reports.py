"""The page of a version: verdicts, findings, pictures; and what the report looks at, its progress, its JSON."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alignapp.accounts.access import researcher_required
from training.config import Method
from training.forms.reports import ReportSettingsForm
from training.models import DatasetVersion
from training.preferences import pictures, prompt_sets, reporting, store
from training.preferences.checks.findings import Family, Finding
from training.preferences.cleaning.recipes import ACTIONS
from training.preferences.data_card import card_of
from training.preferences.report import Report, Verdict
from training.preferences.report_settings import missed_sets
from training.preferences.second_look import DOUBTFUL
from training.views.datasets import DOWNLOADS, SPLITS, version_or_404
from training.views.filling import filling

# Findings on labels and raters, which new votes on the same prompts, or on more of them, would settle.
VOTES_TELL = (*DOUBTFUL, "rater_agreement", "annotators_apart", "sources_apart", "position_bias")


@require_GET
@researcher_required
def dataset_version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    version = version_or_404(slug, number)
    has_file = version.path.is_file()
    context = {
        "version": version,
        "has_file": has_file,
        **_report_context(version),
        "samples": store.page(version.path, 0, 3) if has_file else [],
        "methods": [method for method in Method if method.trains and _fits(method, version)],
        "versions": version.dataset.versions.defer("origin"),
        "same_rows": DatasetVersion.objects.filter(sha256=version.sha256)
        .exclude(pk=version.pk)
        .select_related("dataset"),
        "card": card_of(version) if version.origin.get("card") else None,
        "origin_facts": _origin_facts(version.origin),
        "children": version.children.select_related("dataset"),
        "runs": version.runs.order_by("-created_at")[:10],
        "downloads": DOWNLOADS,
        "splits": SPLITS,
    }
    return render(request, "training/datasets/version.html", context)


def _fits(method: Method, version: DatasetVersion) -> bool:
    """Preference methods need pairs; supervised fine-tuning is offered where there is nothing else to do."""
    return method.needs_preferences == (version.kind == DatasetVersion.Kind.PREFERENCES)


def _origin_facts(origin: dict[str, Any]) -> list[tuple[str, Any]]:
    """What a source says of itself beyond what the page words on its own: `{"vote_rule": …}` as ("Vote rule", …)."""
    worded = {"kind", "label", "url", "slug", "name", "import", "lines", "accepted", "rejected", "blank", "problems"}
    worded |= {"card", "prompt_sets"}
    facts = {name: value for name, value in origin.items() if name not in worded}
    return [(name.replace("_", " ").capitalize(), value) for name, value in facts.items()]


def _report_context(version: DatasetVersion) -> dict[str, Any]:
    """What page and fragment show of the report, and of the one that is to take its place."""
    report, known = reporting.report_of(version), prompt_sets.available()
    context: dict[str, Any] = {
        "report": report,
        "standing": reporting.standing(version, known),
        "progress": reporting.progress_of(version),
        "missed_sets": missed_sets(version, known) if report else [],
    }
    if report is None:
        return context
    lengths = report.lengths
    sides = {"chosen": lengths.chosen, "rejected": lengths.rejected}
    picture = {"kind": "histogram", "x": "characters", "width": lengths.width, "series": sides}
    findings = [_shown(version, finding) for finding in report.findings]
    drawn = {f["chart"]: f["histogram"] for f in findings if f["histogram"]} | {"lengths": picture}
    return context | {
        "verdicts": _verdicts(report),
        "looked_at": _looked_at(report, known),
        "findings": findings,
        "length_rows": pictures.histogram_rows(picture),
        "charts": {"x": "", "charts": {name: pictures.histogram_chart(drawn[name]) for name in drawn}},
    }


def _verdicts(report: Report) -> list[tuple[list[Family], Verdict, list[Finding]]]:
    """Each verdict with its reasons once, and the families of methods that it is about."""
    found: dict[tuple[str, ...], tuple[list[Family], Verdict, list[Finding]]] = {}
    for family in Family:
        verdict, reasons = report.verdict(family), report.reasons(family)
        key = (verdict, *(finding.rule for finding in reasons))
        found.setdefault(key, ([], verdict, reasons))[0].append(family)
    return list(found.values())


def _shown(version: DatasetVersion, finding: Finding) -> dict[str, Any]:
    """A finding with its links and its picture."""
    picture = finding.picture or {}
    histogram = pictures.histogram_of(picture)
    return {
        "finding": finding,
        "actions": _actions(version, finding),
        "picture": picture,
        "histogram": histogram,
        "chart": f"chart-{finding.rule}",
        "rows": pictures.histogram_rows(histogram) if histogram else [],
        "drawn": pictures.drawn(picture),
    }


def _actions(version: DatasetVersion, finding: Finding) -> list[tuple[str, str]]:
    """Words and address of every cleaning action that a finding suggests, and of what people can be asked for."""
    address = reverse("dataset-clean", args=[version.dataset.slug, version.number])
    cleaning = [
        (ACTIONS[action], f"{address}?{urlencode({'rule': finding.rule, 'action': action})}")
        for action in finding.actions
        if action in ACTIONS
    ]
    asking = filling(version, finding=finding.rule) if finding.rule in VOTES_TELL and finding.rows else []
    return [*_refused(version, finding), *_second_look(version, finding), *cleaning, *asking]


def _refused(version: DatasetVersion, finding: Finding) -> list[tuple[str, str]]:
    """The rows that an import left out stand on its page."""
    if finding.rule != "not_imported" or not hasattr(version, "import_job"):
        return []
    return [("These rows", version.import_job.get_absolute_url())]


def _second_look(version: DatasetVersion, finding: Finding) -> list[tuple[str, str]]:
    """The listed pairs themselves, judged once more."""
    if finding.rule not in DOUBTFUL or not finding.rows:
        return []
    address = reverse("dataset-second-look", args=[version.dataset.slug, version.number, finding.rule])
    return [("Judge again", address)]


def _looked_at(report: Report, known: list[prompt_sets.PromptSet]) -> list[tuple[str, str]]:
    """By which means the report was made, for the line under the findings."""
    labels = {found.key: found.label for found in known}
    settings, notes = report.settings, report.notes or {}
    evaluation = ", ".join(labels.get(key, key) for key in settings.evaluation)
    return [
        ("Lengths", f"tokens of {settings.tokenizer}" if settings.tokenizer else "characters; no tokenizer is chosen"),
        ("Cut after", f"{settings.max_length:,} tokens" if settings.tokenizer else "not looked at"),
        ("To be covered", labels.get(settings.target, settings.target) or "no prompts chosen"),
        ("Must not occur", evaluation or "no suite chosen"),
        *[(name.replace("_", " ").capitalize(), text) for name, text in notes.items()],
    ]


@require_GET
@researcher_required
def dataset_report_live(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """How far the report is; its answer says when nothing more will change."""
    version = version_or_404(slug, number)
    context = {"version": version, "live": True, **_report_context(version)}
    return render(request, "training/datasets/_report_state.html", context)


@require_GET
@researcher_required
def dataset_report_json(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The report as a file: what the page shows, for programs; one that stands in for another says so."""
    version = version_or_404(slug, number)
    report = reporting.report_of(version)
    if report is None:
        raise Http404(f"The report on {version} is not made yet.")
    name = f"{slug}-v{number}-report.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    earlier = reporting.standing(version).earlier
    text = report.to_json(**({"made_by_earlier": earlier} if earlier else {}))
    return HttpResponse(text, content_type="application/json", headers=headers)


@require_http_methods(["GET", "POST"])
@researcher_required
def dataset_report_settings(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Choose what the report looks at; it is made anew under other settings."""
    version = version_or_404(slug, number)
    form = ReportSettingsForm(version, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        reporting.look_at(version, form.settings)
        return redirect(version)
    status = 422 if form.errors else 200
    return render(request, "training/datasets/report_settings.html", {"version": version, "form": form}, status=status)


@require_POST
@researcher_required
def dataset_report_again(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Make a report that failed again, or (`?new=`) one that should look at the suites made since."""
    version = version_or_404(slug, number)
    if "new" in request.POST:
        reporting.look_at_all_suites(version)
    else:
        reporting.try_again(version)
    messages.info(request, "The report will be made anew.")
    return redirect(version)


_version = "datasets/<slug:slug>/v<int:number>/"
urls: list[URLPattern] = [
    path(_version, dataset_version, name="dataset-version"),
    path(f"{_version}report.json", dataset_report_json, name="dataset-report-json"),
    path(f"{_version}report/live/", dataset_report_live, name="dataset-report-live"),
    path(f"{_version}report/settings/", dataset_report_settings, name="dataset-report-settings"),
    path(f"{_version}report/again/", dataset_report_again, name="dataset-report-again"),
]
