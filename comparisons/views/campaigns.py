"""Pages of campaigns: the list, a new one, and the rounds with what is to be done next."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from alignapp.accounts.access import researcher_required, user_of
from comparisons import campaigns as running
from comparisons import sealing
from comparisons.campaigns import CampaignRefused, Stage
from comparisons.campaigns.standing import Standing, standings
from comparisons.creation import StudyRefused
from comparisons.export import Export
from comparisons.forms.campaigns import CampaignForm, NextDataForm, ReasonForm
from comparisons.forms.fields import filled_suites
from comparisons.models import Campaign, Round
from training.runs.queue import Refused

CAMPAIGNS_PER_PAGE = 25


def _page(request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    return render(request, f"comparisons/campaigns/{name}.html", context | {"section": "studies"}, status=status)


@researcher_required
@require_safe
def campaigns(request: HttpRequest) -> HttpResponse:
    """All campaigns and where each stands."""
    rows = Campaign.objects.select_related("base")
    page = Paginator(rows, CAMPAIGNS_PER_PAGE).get_page(request.GET.get("page"))
    return _page(request, "list", {"page": page, "standings": standings(list(page))})


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_new(request: HttpRequest) -> HttpResponse:
    """Make a campaign; a link may name base and data."""
    if request.method == "POST":
        form = CampaignForm(request.POST)
        if form.is_valid() and (made := form.begin(user_of(request))):
            return redirect(made)
    else:
        named = {name: request.GET[name] for name in ("base", "dataset_version") if name in request.GET}
        form = CampaignForm(initial=named)
    context = {"form": form, "any_suite": filled_suites().exists()}
    return _page(request, "new", context, status=422 if form.errors else 200)


@researcher_required
@require_safe
def campaign(request: HttpRequest, slug: str) -> HttpResponse:
    """Every round, what it gained, and what is to be done next."""
    found = get_object_or_404(Campaign.objects.select_related("base", "created_by"), slug=slug)
    return _page(request, "campaign", _standing(found))


@researcher_required
@require_safe
def campaign_live(request: HttpRequest, slug: str) -> HttpResponse:
    """The parts of the page that change by themselves."""
    return _page(request, "_live", _standing(get_object_or_404(Campaign.objects.select_related("base"), slug=slug)))


def _standing(found: Campaign, reason: ReasonForm | None = None) -> dict[str, Any]:
    return {"campaign": found, "standing": Standing(found), "reason": reason or ReasonForm()}


# --- Steps ------------------------------------------------------------------------------------------------------------


def _round_or_404(slug: str, number: int) -> Round:
    rounds = Round.objects.select_related("campaign__base", "data__dataset", "study", "produced__dataset")
    return get_object_or_404(rounds, campaign__slug=slug, number=number)


@researcher_required
@require_POST
def campaign_launch(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """Queue the runs of a round; the report on the data may ask for a reason."""
    found = _round_or_404(slug, number)
    standing = Standing(found.campaign)
    reason = ReasonForm(request.POST if standing.needs_reason else None)
    if standing.needs_reason and not reason.is_valid():
        return _page(request, "campaign", _standing(found.campaign, reason), status=422)
    told = reason.cleaned_data["override_reason"] if standing.needs_reason else ""
    try:
        running.launch(found, standing.plans, user_of(request), told)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect(found.campaign)


@researcher_required
@require_POST
def campaign_resume(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Queue failed and cancelled runs of a round again."""
    found = _round_or_404(slug, number)
    running.resume(found)
    return redirect(found.campaign)


@researcher_required
@require_POST
def campaign_study(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """Start the study of a round, or lead to the one there is."""
    found = _round_or_404(slug, number)
    try:
        return redirect(running.start_study(found, user_of(request)))
    except (StudyRefused, CampaignRefused) as refusal:
        messages.error(request, str(refusal))
        return redirect(found.campaign)


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def campaign_data(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """Show what a rule makes of a round's judgements; on sending, a worker makes it the data of the next round."""
    found = _round_or_404(slug, number)
    stage = running.stage_of(found)
    if stage == Stage.DONE:
        return redirect(found.campaign)
    if stage == Stage.SEALING:
        return redirect(found.sealings.latest("created_at"))
    if stage != Stage.DATA:
        raise Http404("The study of this round is not closed.")
    form = NextDataForm(found, request.POST if request.method == "POST" else None)
    export = Export(form.study, form.rule) if form.is_valid() else None
    if export and not export.summary.rows:
        form.add_error(None, export.summary.no_pairs)
    if request.method == "POST" and form.is_valid() and request.POST.get("action") != "count":
        try:
            return redirect(sealing.submit_round(found, form.rule, user_of(request), join=form.joins))
        except CampaignRefused as refusal:  # somebody else was quicker
            messages.error(request, str(refusal))
            return redirect(found.campaign)
    context = {"round": found, "campaign": found.campaign, "form": form, "found": export}
    return _page(request, "data", context, status=422 if request.method == "POST" and form.errors else 200)


_round = "campaigns/<slug:slug>/rounds/<int:number>/"
urls = [
    path("campaigns/", campaigns, name="campaigns"),
    path("campaigns/new/", campaign_new, name="campaign-new"),
    path("campaigns/<slug:slug>/", campaign, name="campaign"),
    path("campaigns/<slug:slug>/live/", campaign_live, name="campaign-live"),
    path(f"{_round}launch/", campaign_launch, name="campaign-launch"),
    path(f"{_round}resume/", campaign_resume, name="campaign-resume"),
    path(f"{_round}study/", campaign_study, name="campaign-study"),
    path(f"{_round}data/", campaign_data, name="campaign-data"),
]
