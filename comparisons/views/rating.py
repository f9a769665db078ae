"""Pages on which people judge blind. Nothing that they show or send tells which policy wrote an answer.

Every address holds nothing but an assignment's random token. Forms work without script: a judgement is answered with a
redirect to what comes next. The page's script asks for JSON instead, shows the next item at once, which it has fetched
ahead, and is told here what became of the judgement (`_reply`).
"""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alignapp.accounts.access import user_of
from comparisons import assignment as assigning
from comparisons import attempts
from comparisons.assignment import Outcome
from comparisons.forms.rating import SKIP_REASONS, RatingForm, SkipForm, UndoForm
from comparisons.models import Assignment, AssignmentState, Choice, ItemKind, StudyKind

from . import rating_pages as pages

UNREADABLE = "Nothing was saved yet. The judgement could not be read; choose one of the buttons."
STILL_TO_JUDGE = (AssignmentState.OPEN, AssignmentState.EXPIRED)
TOKEN = re.compile(r"[-\w]{1,32}", re.ASCII)
NOT_OPEN = "That task is not open at the moment. Everything you judged before is saved."


@never_cache
@require_GET
def item(request: HttpRequest, token: str) -> HttpResponse:
    """One item: the prompt, two answers, the choices."""
    assignment = _own_assignment(request, token)
    desk = pages.Desk(request)
    if assignment.state in STILL_TO_JUDGE and (due := pages.interruption(desk, assignment)):
        return redirect(due)
    if not assigning.resume(assignment):
        messages.info(request, _gone(assignment))
        return redirect("rate")
    view = request.GET.get("view", "")
    response = render(request, "comparisons/rating/item.html", pages.item_context(desk, assignment))
    if view in pages.REMEMBERED_VIEWS:
        response.set_cookie(pages.VIEW_COOKIE, view, max_age=31_536_000, path="/rate/", samesite="Lax")
    return response


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def submit(request: HttpRequest, token: str) -> HttpResponse:
    """Store a judgement and go on to the next item. Who logged in again, or reloads, comes by GET and sees the item."""
    if request.method != "POST":
        _own_assignment(request, token)
        return redirect("rate-item", token=token)
    assignment, showing = _judged_and_shown(request, token)
    form = RatingForm(assignment.item.study.rules, request.POST)
    if not form.is_valid():
        return _refused(request, assignment, form, UNREADABLE)
    outcome = assigning.submit(assignment, **form.judgement)
    if outcome.keeps_the_item:
        return _refused(request, assignment, form, outcome.sentence, outcome)
    if _asks_for_json(request):
        undo = pages.undo_facts(token, form.cleaned_data["revision"])
        return _reply(request, assignment, showing, outcome, undo)
    return _after(request, assignment, outcome)


@never_cache
@require_POST
def ahead(request: HttpRequest, token: str) -> HttpResponse:
    """The item that will come after this one, for the script to keep until then."""
    assignment = _own_assignment(request, token)
    return JsonResponse({"ahead": _ahead(pages.Desk(request), assignment)})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def skip(request: HttpRequest, token: str) -> HttpResponse:
    """Ask why the item cannot be judged, then give it to somebody else."""
    assignment = _own_assignment(request, token)
    form = SkipForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        sent = form.cleaned_data
        outcome = assigning.submit(assignment, Choice.SKIP, sent["revision"], reasons=[sent["reason"]])
        return _after(request, assignment, outcome)
    if not assigning.resume(assignment):
        messages.info(request, _gone(assignment))
        return redirect("rate")
    if assignment.item.kind == ItemKind.TRAINING:
        return _after(request, assignment, Outcome.TRAINING_SKIPPED)
    context = {
        "token": token,
        "reasons": list(enumerate(SKIP_REASONS, start=1)),
        "form": form,
        "revision": assigning.next_revision(assignment),
    }
    return render(request, "comparisons/rating/skip.html", context, status=422 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def undo(request: HttpRequest, token: str) -> HttpResponse:
    """Take a judgement back and show its item again. Who logged in again comes by GET, which takes nothing back."""
    assignment = _own_assignment(request, token)
    if request.method != "POST":
        return redirect("rate")
    form = UndoForm(request.POST)
    outcome = assigning.undo(assignment, form.cleaned_data["revision"]) if form.is_valid() else Outcome.NOTHING_TO_UNDO
    if not outcome.is_good:
        return _after(request, assignment, outcome)
    messages.success(request, outcome.sentence)
    return redirect("rate-item", token=token)


@never_cache
@require_GET
def feedback(request: HttpRequest, token: str) -> HttpResponse:
    """After a training item: what was expected, and why."""
    assignment = _own_assignment(request, token)
    rating = assignment.ratings.standing().exclude(choice=Choice.SKIP).first()
    if assignment.item.kind != ItemKind.TRAINING or rating is None:
        raise Http404
    context = pages.texts_context(request, assignment) | pages.feedback_context(rating)
    return render(request, "comparisons/rating/feedback.html", context)


def _own_assignment(request: HttpRequest, token: str) -> Assignment:
    """The assignment of this token if it is this person's; others' and invented tokens look the same: 404."""
    related = ("item__study", "item__prompt", "item__first", "item__second")
    found = Assignment.objects.select_related(*related).filter(token=token, rater=user_of(request)).first()
    if found is None:
        raise Http404
    return found


def _judged_and_shown(request: HttpRequest, token: str) -> tuple[Assignment, Assignment | None]:
    """The assignment that is judged and the one whose page the script shows by now, both this person's."""
    showing = request.POST.get("showing", "")
    showing = showing if TOKEN.fullmatch(showing) else ""
    own = Assignment.objects.select_related("item__study")
    found = {each.token: each for each in own.filter(token__in=[token, showing], rater=user_of(request))}
    if token not in found:
        raise Http404
    return found[token], None if showing == token else found.get(showing)


def _gone(assignment: Assignment) -> str:
    """Why an item cannot be judged any more, in words for its rater."""
    match assignment.state:
        case AssignmentState.DONE | AssignmentState.LATE:
            return "You have judged that item already; your judgement is saved."
        case AssignmentState.SKIPPED:
            return "You skipped that item, and it went to somebody else."
        case AssignmentState.EXPIRED:
            return "You were away for a while and others have judged that item. Everything you judged before is saved."
    return NOT_OPEN


def _asks_for_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _refused(
    request: HttpRequest, assignment: Assignment, form: RatingForm, sentence: str, outcome: Outcome | None = None
) -> HttpResponse:
    """The same item again, with the sentence and everything that was chosen and written."""
    if _asks_for_json(request):
        again = reverse("rate-item", args=[assignment.token]) if outcome == Outcome.OUTDATED else None
        wait = pages.reading_seconds_left(assignment)
        return JsonResponse({"good": False, "keeps": True, "sentence": sentence, "wait": wait, "go": again}, status=422)
    assignment = _own_assignment(request, assignment.token)
    if not assigning.resume(assignment):
        messages.warning(request, _gone(assignment))
        return _to_next_item(request)
    context = pages.item_context(pages.Desk(request), assignment, form, sentence if outcome else "")
    return render(request, "comparisons/rating/item.html", context, status=422)


def _reply(
    request: HttpRequest, judged: Assignment, showing: Assignment | None, outcome: Outcome, undo: dict[str, Any]
) -> HttpResponse:
    """What became of the judgement, for the script, which shows `showing` by now (or waits, if it has nothing to show).

    {good, keeps: false, sentence, go: where to go instead, item: what to show now, ahead: what comes after that,
    progress: {judged, total, text}, undo: {url, revision}}
    """
    told: dict[str, Any] = {"good": outcome.is_good, "keeps": False, "sentence": outcome.sentence}
    if go := _way_after(judged):
        return _go(request, told, outcome, go)
    fresh = None
    if showing is None or not assigning.resume(showing):
        fresh = showing = assigning.next_assignment(user_of(request))
    if showing is None:
        return _go(request, told, outcome, reverse("rate"))
    desk = pages.Desk(request)
    if outcome == Outcome.SAVED:
        desk.undoable = undo
    if due := pages.interruption(desk, showing):
        return _go(request, told, outcome, due)
    told |= {"item": _fragment(desk, fresh)} if fresh else {"ahead": _ahead(desk, showing)}
    progress = desk.progress(showing.item.study)
    told["progress"] = {"judged": progress.judged, "total": progress.total, "text": str(progress)}
    return JsonResponse(told | {"undo": desk.undoable})


def _go(request: HttpRequest, told: dict[str, Any], outcome: Outcome, address: str) -> HttpResponse:
    """Send the script to another page, which says what became of the judgement."""
    messages.add_message(request, messages.SUCCESS if outcome.is_good else messages.WARNING, outcome.sentence)
    return JsonResponse(told | {"go": address})


def _ahead(desk: pages.Desk, current: Assignment) -> str | None:
    if pages.is_own_turn(current):  # its conversation comes next
        return None
    following = assigning.fetch_ahead(desk.user, current)
    return _fragment(desk, following) if following else None


def _fragment(desk: pages.Desk, assignment: Assignment) -> str:
    return render_to_string("comparisons/rating/_item.html", pages.item_context(desk, assignment), desk.request)


def _way_after(judged: Assignment) -> str | None:
    """Where a judgement leads if not to the next item: feedback on training, or the conversation it belongs to."""
    if judged.item.kind == ItemKind.TRAINING and judged.state == AssignmentState.DONE:
        return reverse("rate-feedback", args=[judged.token])
    if judged.item.study.kind == StudyKind.ADVERSARIAL and (conversation := attempts.conversation_of(judged)):
        return reverse("attempt", args=[conversation.token])
    return None


def _after(request: HttpRequest, assignment: Assignment, outcome: Outcome) -> HttpResponse:
    """Say what became of what was sent, and go on."""
    messages.add_message(request, messages.SUCCESS if outcome.is_good else messages.WARNING, outcome.sentence)
    if outcome.keeps_the_item:
        return redirect("rate-item", token=assignment.token)
    if way := _way_after(assignment):
        return redirect(way)
    return _to_next_item(request)


def _to_next_item(request: HttpRequest) -> HttpResponse:
    following = assigning.next_assignment(user_of(request))
    return redirect("rate-item", token=following.token) if following else redirect("rate")


urls = [
    path("rate/<slug:token>/", item, name="rate-item"),
    path("rate/<slug:token>/submit/", submit, name="rate-submit"),
    path("rate/<slug:token>/ahead/", ahead, name="rate-ahead"),
    path("rate/<slug:token>/skip/", skip, name="rate-skip"),
    path("rate/<slug:token>/undo/", undo, name="rate-undo"),
    path("rate/<slug:token>/feedback/", feedback, name="rate-feedback"),
]
