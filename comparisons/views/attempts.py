"""Pages on which people write prompts to make policies fail. Writers' addresses hold random tokens alone."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from alignapp.accounts.access import researcher_required, user_of
from comparisons import attempts
from comparisons.forms.attempts import AdversarialStudyForm, TurnForm
from comparisons.models import Conversation, Study, StudyKind, Turn, TurnState
from comparisons.rendering import Shown, shown_alike

PER_PAGE = 25
OWN_SHOWN = 20


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def adversarial_study_new(request: HttpRequest) -> HttpResponse:
    """Make a study whose prompts raters write."""
    form = AdversarialStudyForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and (study := form.save(user_of(request))):
        return redirect(study)
    context = {"form": form, "enough_policies": form.fields["policies"].queryset.count() > 1, "section": "studies"}  # type: ignore[attr-defined]
    return render(request, "comparisons/attempts/new.html", context, status=422 if form.errors else 200)


@researcher_required
@require_safe
def conversations(request: HttpRequest, slug: str) -> HttpResponse:
    """What raters wrote and what came back, without who answered; that is told after closing, in the results."""
    study = get_object_or_404(Study, slug=slug, kind=StudyKind.ADVERSARIAL)
    found = study.conversations.select_related("writer").prefetch_related("turns__item__first", "turns__item__second")
    page = Paginator(found.order_by("-id"), PER_PAGE).get_page(request.GET.get("page"))
    waiting = Turn.objects.filter(conversation__study=study, state=TurnState.WAITING)
    context = {"study": study, "page": page, "waiting": waiting.exclude(reason="").first(), "section": "studies"}
    return render(request, "comparisons/attempts/conversations.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def begin(request: HttpRequest, key: str) -> HttpResponseBase:
    """Write the first prompt of a conversation."""
    user = user_of(request)
    study = attempts.study_of(key)
    if study is None:
        raise Http404
    if study not in attempts.open_to(user):
        messages.info(request, "That task is not open at the moment. Everything you wrote before is kept.")
        return redirect("rate")
    form = TurnForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            turn = attempts.begin(study, user, form.cleaned_data["text"])
            return redirect("attempt", token=turn.conversation.token)
        except attempts.AttemptRefused as refusal:
            form.add_error("text", str(refusal))
    own = study.conversations.filter(writer=user).prefetch_related("turns").order_by("-id")
    context = {"study": study, "form": form, "own": own[:OWN_SHOWN], "own_count": own.count()}
    return render(request, "comparisons/attempts/begin.html", context, status=422 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def attempt(request: HttpRequest, token: str) -> HttpResponseBase:
    """One conversation: wait for the answers, judge them, go on. htmx asks for the waiting part alone."""
    conversation = _own(request, token)
    form = TurnForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            attempts.go_on(conversation, form.cleaned_data["text"])
            return redirect("attempt", token=token)
        except attempts.AttemptRefused as refusal:
            form.add_error("text", str(refusal))
    last = attempts.last_turn(conversation)
    kept = attempts.keep(last)
    form.fields["text"].label = "Your reply"
    context = {
        "conversation": conversation,
        "study": conversation.study,
        "turns": [_shown(turn) for turn in conversation.turns.select_related("kept").order_by("number")],
        "last": last,
        "to_judge": None if kept else attempts.assignment_of(last),
        "may_go_on": kept is not None and last.number < attempts.MAX_TURNS,
        "key": attempts.key_of(conversation.study),
        "form": form,
    }
    template = "comparisons/attempts/attempt.html" + ("#state" if request.htmx else "")  # type: ignore[attr-defined]
    return render(request, template, context, status=422 if form.errors else 200)


def _shown(turn: Turn) -> tuple[Shown, Shown | None]:
    """What was written, and the answer that its writer went on with."""
    written = shown_alike(turn.text)[0]
    return written, shown_alike(turn.kept.text)[0] if turn.kept else None


def _own(request: HttpRequest, token: str) -> Conversation:
    """The conversation of this token if this person writes it; others' and invented tokens look the same: 404."""
    own = Conversation.objects.select_related("study").filter(token=token, writer=user_of(request)).first()
    if own is None:
        raise Http404
    return own


urls = [
    path("studies/new/adversarial/", adversarial_study_new, name="adversarial-study-new"),
    path("studies/<slug:slug>/conversations/", conversations, name="study-conversations"),
    path("attempts/<slug:key>/", begin, name="attempt-begin"),
    path("attempts/of/<slug:token>/", attempt, name="attempt"),
]
