"""The rater's own pages: what waits, what they did, the guideline, a break; nothing of policies or standings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from alignapp.accounts.access import user_of
from alignapp.accounts.models import User
from comparisons import assignment as assigning
from comparisons import attempts, collecting
from comparisons.briefing import briefing, changes, last_read, mark_read
from comparisons.forms.rating import REASONS, SKIP_REASONS, label_of, offered
from comparisons.models import Assignment, CollectionState, Guideline, Rating, Study
from comparisons.rendering import Shown, shown_alike

from . import rating_pages as pages

SAID = dict(REASONS) | dict(SKIP_REASONS)


@dataclass(frozen=True, slots=True)
class Task:
    """A study as its rater sees it; it has no name, which could tell what is compared."""

    guideline: Guideline | None
    text: Shown | None
    read: Guideline | None
    progress: assigning.Progress
    worked: assigning.Worked
    agreement: assigning.Agreement | None


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """What waits for this person; starting leads to the first item."""
    user = user_of(request)
    if request.method == "POST":
        following = assigning.next_assignment(user)
        return redirect("rate-item", token=following.token) if following else redirect("rate")
    context = {
        "tasks": [_task(study, user) for study in assigning.studies_with_work(user)],
        "collections": collecting.standing().filter(state=CollectionState.OPEN),
        "attempts": [(study, attempts.key_of(study)) for study in attempts.open_to(user)],
        "failed_trainings": assigning.failed_trainings(user),
        "undoable": assigning.last_judgement(user),
        "holds_one": assigning.held_by(user).exists(),
        "worked": assigning.worked(user),
        "judged_any": Assignment.objects.filter(rater=user).exists(),
    }
    return render(request, "comparisons/rating/home.html", context)


def _task(study: Study, user: User) -> Task:
    told = briefing(study.pk, user)
    return Task(
        guideline=told.guideline if told else None,
        text=shown_alike(told.guideline.text)[0] if told else None,
        read=last_read(study.pk, user),
        progress=assigning.progress(study, user),
        worked=assigning.worked(user, study),
        agreement=assigning.gold_agreement(study, user),
    )


@never_cache
@require_GET
def judged(request: HttpRequest) -> HttpResponse:
    """The person's last judgements, with the texts; the latest can be taken back while that is open."""
    user = user_of(request)
    context = {
        "judgements": [_judgement(request, rating) for rating in assigning.latest_judgements(user)],
        "undoable": assigning.last_judgement(user),
    }
    return render(request, "comparisons/rating/judged.html", context)


def _judgement(request: HttpRequest, rating: Rating) -> dict[str, Any]:
    return pages.texts_context(request, rating.assignment) | {
        "rating": rating,
        "said": label_of(rating.choice, rating.strength),
        "because": [SAID.get(reason, reason) for reason in rating.reasons],
    }


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def guideline(request: HttpRequest, token: str) -> HttpResponse:
    """What the raters of this item's study are told; shown once per version before the next item."""
    user, assignment = user_of(request), _own_assignment(request, token)
    study = assignment.item.study
    told = briefing(study.pk, user)
    if told is None:
        return redirect("rate-item", token=token)
    if request.method == "POST":
        for version in study.guidelines.filter(number=_number(request.POST.get("number", ""))):
            mark_read(version, user)
        return redirect("rate-item", token=token)
    before = None if told.is_read else last_read(study.pk, user)
    context = {
        "token": token,
        "guideline": told.guideline,
        "text": shown_alike(told.guideline.text)[0],
        "before": before,
        "changes": changes(before, told.guideline) if before else None,
        "options": offered(study.rules),
    }
    return render(request, "comparisons/rating/guideline.html", context)


def _number(sent: str) -> int:
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 9 else 0


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def rest(request: HttpRequest, token: str) -> HttpResponse:
    """A break that is due before the item of this token; where the study allows it people may go on without."""
    study = _own_assignment(request, token).item.study
    if request.method == "POST":
        request.session[pages.RESTED] = timezone.now().timestamp()
        return redirect("rate-item", token=token)
    due = pages.rest_due(request, study)
    if due is None:
        return redirect("rate-item", token=token)
    context = {"token": token, "rest": due, "optional": study.rules.break_optional}
    return render(request, "comparisons/rating/break.html", context)


def _own_assignment(request: HttpRequest, token: str) -> Assignment:
    own = Assignment.objects.select_related("item__study").filter(token=token, rater=user_of(request))
    return get_object_or_404(own)


urls = [
    path("rate/", home, name="rate"),
    path("rate/judged/", judged, name="rate-judged"),
    path("rate/<slug:token>/guideline/", guideline, name="rate-guideline"),
    path("rate/<slug:token>/break/", rest, name="rate-break"),
]
