"""What the home page tells: the stations of the loop with their counts, and what needs somebody's attention."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Max, Q, Sum
from django.urls import reverse
from django.utils import timezone

from training.models import Dataset, DatasetVersion, ImportJob, ImportState, Policy, PolicyKind, Run, RunState

from .campaigns import Stage
from .campaigns.standing import Standing
from .models import (
    Assignment,
    Campaign,
    Endpoint,
    EndpointState,
    ServedPolicy,
    ServedState,
    Study,
    StudyState,
)
from .studies import Summary, summaries

# Failures older than this are history, not news.
RECENT = timedelta(days=3)
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Station:
    """One stop of the loop: its count, what happens there now, and the way in."""

    name: str
    route: str
    count: int
    detail: str
    makes: str
    first_step: str
    first_route: str


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that waits for a person."""

    state: str
    label: str
    sentence: str
    url: str
    action: str


# --- Stations ---------------------------------------------------------------------------------------------------------


def stations() -> list[Station]:
    """The loop in its order; what each makes is what the next one takes."""
    return [datasets(), runs(), policies(), studies(), ratings()]


def datasets() -> Station:
    detail = f"{DatasetVersion.objects.aggregate(rows=Sum('rows'))['rows'] or 0:,} rows in all versions"
    return Station(
        "Datasets", "datasets", Dataset.objects.with_versions().count(), detail, "pairs", "Import pairs", "dataset-new"
    )


def runs() -> Station:
    detail = f"{Run.objects.active().count()} running, {Run.objects.waiting().count()} waiting"
    return Station("Runs", "runs", Run.objects.count(), detail, "weights", "Launch a run", "run-methods")


def policies() -> Station:
    detail = f"{ServedPolicy.objects.up().values('policy').distinct().count()} served now"
    return Station("Policies", "policies", Policy.objects.count(), detail, "answers", "Register a model", "policy-new")


def studies() -> Station:
    detail = f"{Study.objects.filter(state=StudyState.OPEN).count()} open for rating"
    return Station("Studies", "studies", Study.objects.count(), detail, "items", "Start a study", "study-new")


def ratings() -> Station:
    """Judgements that count in results, as the overviews of studies have them: no checks, no repeats."""
    done = Assignment.objects.judged_comparisons().count()
    detail = f"{sum(summary.missing for summary in open_studies()):,} still wanted"
    return Station("Ratings", "rate", done, detail, "judgements", "Rate", "rate")


# --- Attention --------------------------------------------------------------------------------------------------------


def attention() -> list[Attention]:
    """What waits for a person, the worst first."""
    return [
        *engines(),
        *failed_policies(),
        *failed_runs(),
        *failed_imports(),
        *alarming_runs(),
        *stuck_studies(),
        *waiting_studies(),
        *waiting_campaigns(),
    ]


def engines() -> Iterator[Attention]:
    url = reverse("serving")
    endpoints = Endpoint.objects.select_related("root")
    for endpoint in endpoints:
        if endpoint.is_silent or endpoint.state == EndpointState.DOWN:
            sentence = f"The engine for {endpoint.root.name} does not serve. {endpoint.trouble}"
            yield Attention("down", "Down", sentence, url, "Serving")
    trained = Policy.objects.filter(run__isnull=False).exclude(kind=PolicyKind.REWARD)
    if not endpoints and trained.exists():
        yield Attention("down", "Down", "No engine has been started. Run `manage.py serve_policies`.", url, "Serving")


def failed_policies() -> Iterator[Attention]:
    for served in ServedPolicy.objects.filter(state=ServedState.FAILED)[:SHOWN]:
        yield Attention("failed", "Not served", served.error, reverse("serving"), "Serving")


def failed_runs() -> Iterator[Attention]:
    """Recent failures; one that was resumed is queued again and no failure any more."""
    failed = Run.objects.filter(state=RunState.FAILED, finished_at__gte=timezone.now() - RECENT)
    for run in failed.order_by("-finished_at")[:SHOWN]:
        yield Attention("failed", "Failed", f"{run.name}: {run.error}", run.get_absolute_url(), "Open the run")


def alarming_runs() -> Iterator[Attention]:
    """Runs whose curves have open alarms, while they train and for a while afterwards."""
    news = Q(pk__in=Run.objects.active()) | Q(state=RunState.SUCCEEDED, finished_at__gte=timezone.now() - RECENT)
    for run in Run.objects.filter(news).exclude(alarms=[]).order_by("-created_at")[:SHOWN]:
        count = len(run.alarms)
        when = "trained with" if run.state == RunState.SUCCEEDED else "is training with"
        sentence = f"{run.name} {when} {count} open alarm{'' if count == 1 else 's'}."
        yield Attention("warning", "Alarm", sentence, f"{run.get_absolute_url()}#attention-title", "See what is wrong")


def failed_imports() -> Iterator[Attention]:
    """Recent failures, unless the dataset got a version afterwards."""
    failed = ImportJob.objects.filter(state=ImportState.FAILED, created_at__gte=timezone.now() - RECENT)
    for job in failed.annotate(newest=Max("dataset__versions__created_at"))[:SHOWN]:
        if job.newest is None or job.newest < job.created_at:
            sentence = f"The import of {job.filename} failed. {job.error}"
            yield Attention("failed", "Failed", sentence, job.get_absolute_url(), "Open the import")


def stuck_studies() -> Iterator[Attention]:
    for study in Study.objects.filter(state__in=(StudyState.GENERATING, StudyState.FAILED)).exclude(error="")[:SHOWN]:
        state, label = ("failed", "Failed") if study.state == StudyState.FAILED else ("warning", "Waiting")
        yield Attention(state, label, f"{study.name}: {study.error}", study.get_absolute_url(), "Open the study")


def waiting_studies() -> Iterator[Attention]:
    for summary in open_studies()[:SHOWN]:
        name, wanted, url = summary.study.name, summary.ratings_wanted, summary.study.get_absolute_url()
        if summary.missing:
            sentence = f"{name} waits for raters: {summary.ratings:,} of {wanted:,} ratings are there."
            yield Attention("open", "Open", sentence, url, "Open the study")
        else:
            sentence = f"{name} has all its {wanted:,} ratings. Close it to see who won."
            yield Attention("ready", "Complete", sentence, url, "Close it")


def waiting_campaigns() -> Iterator[Attention]:
    """Campaigns in which a step is to be taken; launching and rating have lines of their own."""
    for campaign in Campaign.objects.select_related("base")[:SHOWN]:
        standing = Standing(campaign)
        if standing.stage in {Stage.STUDY, Stage.DATA}:
            sentence = f"{standing.current}: {standing.sentence}"
            yield Attention("ready", "Ready", sentence, campaign.get_absolute_url(), "Open the campaign")


def open_studies() -> list[Summary]:
    return summaries(Study.objects.filter(state=StudyState.OPEN).order_by("opened_at"))
