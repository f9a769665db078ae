"""Pages on which people judge blind. Nothing that they show or send tells which policy wrote an answer."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from alignapp.accounts.access import user_of
from comparisons import assignment as assigning
from comparisons import attempts, collecting
from comparisons.assignment import Outcome
from comparisons.forms.rating import REASONS, SKIP_REASONS, RatingForm, SentForm, SkipForm, UndoForm
from comparisons.models import Assignment, AssignmentState, Choice, CollectionState


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """What waits for this person; starting leads to the first item."""
    user = user_of(request)
    if request.method == "POST":
        return _to_next_item(request)
    studies = assigning.studies_with_work(user)
    context = {
        "tasks": [(study, assigning.progress(study, user)) for study in studies],
        "collections": collecting.standing().filter(state=CollectionState.OPEN),
        "attempts": [(study, attempts.key_of(study)) for study in attempts.open_to(user)],
        "undoable": assigning.last_judgement(user),
        "holds_one": assigning.held_by(user).exists(),
    }
    return render(request, "comparisons/rating/home.html", context)


@never_cache
@require_GET
def item(request: HttpRequest, token: str) -> HttpResponse:
    """One item: the prompt, two answers, the choices."""
    assignment = _own_assignment(request, token)
    if not assigning.resume(assignment):
        messages.info(request, _gone(assignment))
        return _to_home(request)
    return _item_page(request, assignment)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def submit(request: HttpRequest, token: str) -> HttpResponse:
    """Store a judgement and go on to the next item. Who logged in again, or reloads, comes by GET and sees the item."""
    assignment = _own_assignment(request, token)
    if request.method != "POST":
        return redirect("rate-item", token=token)
    form = RatingForm(request.POST)
    if not form.is_valid():
        return _item_page(request, assignment, form)
    sent = form.cleaned_data
    outcome = assigning.submit(assignment, sent["choice"], sent["revision"], reasons=sent["reasons"], note=sent["note"])
    return _after(request, assignment, outcome)


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
        return _to_home(request)
    context = {
        "assignment": assignment,
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


def _own_assignment(request: HttpRequest, token: str) -> Assignment:
    """The assignment of this token if it is this person's; others' and invented tokens look the same: 404."""
    related = ("item__study", "item__prompt", "item__first", "item__second")
    found = Assignment.objects.select_related(*related).filter(token=token, rater=user_of(request)).first()
    if found is None:
        raise Http404
    return found


def _gone(assignment: Assignment) -> str:
    """Why an item cannot be judged any more, in words for its rater."""
    match assignment.state:
        case AssignmentState.DONE | AssignmentState.LATE:
            return "You have judged that item already; your judgement is saved."
        case AssignmentState.SKIPPED:
            return "You skipped that item, and it went to somebody else."
        case AssignmentState.EXPIRED:
            return "You were away for a while and others have judged that item. Everything you judged before is saved."
    return "That task is not open at the moment. Everything you judged before is saved."


def _item_page(request: HttpRequest, assignment: Assignment, form: SentForm | None = None) -> HttpResponse:
    user = user_of(request)
    context = {
        "token": assignment.token,
        "prompt": assignment.item.prompt.messages,
        "answers": [("A", assignment.answer_a.text.strip()), ("B", assignment.answer_b.text.strip())],
        "guideline": assignment.item.study.guideline,
        "revision": assigning.next_revision(assignment),
        "progress": assigning.progress(assignment.item.study, user),
        "reasons": REASONS,
        "chosen_reasons": form["reasons"].value() if form else [],
        "collections": collecting.standing().filter(state=CollectionState.OPEN),
        "undoable": assigning.last_judgement(user),
        "reading_seconds": max(assigning.READING_SECONDS, assignment.item.study.rules.minimum_seconds),
        "form": form,
    }
    return render(request, "comparisons/rating/item.html", context, status=422 if form else 200)


def _after(request: HttpRequest, assignment: Assignment, outcome: Outcome) -> HttpResponse:
    """Say what became of what was sent, and go on."""
    messages.add_message(request, messages.SUCCESS if outcome.is_good else messages.WARNING, outcome.sentence)
    if outcome.keeps_the_item:
        return redirect("rate-item", token=assignment.token)
    if conversation := attempts.conversation_of(assignment):
        return _to(request, reverse("attempt", args=[conversation.token]))
    return _to_next_item(request)


def _to_next_item(request: HttpRequest) -> HttpResponse:
    following = assigning.next_assignment(user_of(request))
    return redirect("rate-item", token=following.token) if following else _to_home(request)


def _to_home(request: HttpRequest) -> HttpResponse:
    return _to(request, reverse("rate"))


def _to(request: HttpRequest, address: str) -> HttpResponse:
    """A page of another layout, which htmx must load whole."""
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)  # type: ignore[attr-defined]


urls = [
    path("rate/", home, name="rate"),
    path("rate/<slug:token>/", item, name="rate-item"),
    path("rate/<slug:token>/submit/", submit, name="rate-submit"),
    path("rate/<slug:token>/skip/", skip, name="rate-skip"),
    path("rate/<slug:token>/undo/", undo, name="rate-undo"),
]
