"""What the pages of raters show: the contexts of their templates, and what comes before an item is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from alignapp.accounts.access import user_of
from alignapp.accounts.models import User
from comparisons import assignment as assigning
from comparisons import attempts
from comparisons.assignment import Rest
from comparisons.briefing import briefing
from comparisons.forms.rating import REASONS, RatingForm, offered
from comparisons.models import Assignment, ItemKind, Rating, Study, StudyKind
from comparisons.rendering import shown_alike
from training.preferences.browsing.differences import Comparison, compared
from training.preferences.records import Message

VIEW_COOKIE = "rating_view"
REMEMBERED_VIEWS = ("plain", "formatted")
RESTED = "rested_at"  # in the session: when this person said that they go on without a break
ROLES = {"system": "Instructions", "user": "Person", "assistant": "Assistant"}


def interruption(request: HttpRequest, assignment: Assignment) -> str | None:
    """The address of what must come before this item, which is then not being read yet: a break, or a new guideline."""
    address = _before(request, assignment)
    if address:
        assigning.hide(assignment)
    return address


def _before(request: HttpRequest, assignment: Assignment) -> str | None:
    user = user_of(request)
    if rest_due(request, assignment.item.study):
        return reverse("rate-break", args=[assignment.token])
    told = briefing(assignment.item.study_id, user)
    if told is None or told.is_read:
        return None
    # Writers have read it beside what they wrote.
    if assignment.item.study.kind == StudyKind.ADVERSARIAL and attempts.conversation_of(assignment):
        return None
    return reverse("rate-guideline", args=[assignment.token])


def rest_due(request: HttpRequest, study: Study) -> Rest | None:
    """The break that this person must make before they go on in this study."""
    rested = request.session.get(RESTED)
    rested_at = datetime.fromtimestamp(rested, UTC) if isinstance(rested, float) else None
    return assigning.rest_due(user_of(request), study.rules, rested_at)


def item_context(
    request: HttpRequest, assignment: Assignment, form: RatingForm | None = None, refused: str = ""
) -> dict[str, Any]:
    """Everything that the page of an item shows; `form` holds what was sent and refused, and `refused` says why."""
    user, study = user_of(request), assignment.item.study
    told = briefing(study.pk, user)
    rules = study.rules
    sent = form.data if form else {}
    return texts_context(request, assignment) | {
        "token": assignment.token,
        "training": assignment.item.kind == ItemKind.TRAINING,
        "guideline": shown_alike(told.guideline.text)[0] if told else None,
        "revision": assigning.next_revision(assignment),
        "progress": assigning.progress(study, user),
        "options": offered(rules),
        "chosen": sent.get("choice", ""),
        "reasons": REASONS if rules.reasons else [],
        "chosen_reasons": form.data.getlist("reasons") if form else [],  # type: ignore[attr-defined]
        "undoable": assigning.last_judgement(user),
        "reading_seconds": reading_seconds_left(assignment),
        "form": form,
        "refused": refused,
    }


def texts_context(request: HttpRequest, assignment: Assignment) -> dict[str, Any]:
    """Prompt and answers in the view that this browser remembers."""
    view = request.GET.get("view", "")
    texts = assignment.answer_a.text.strip(), assignment.answer_b.text.strip()
    shown = shown_alike(*texts)
    differences = _differences(*texts) if view == "differences" else None
    sides = (differences.chosen, differences.rejected) if differences else ((), ())
    answers = [
        {"side": name, "text": text, "pieces": marked[0].pieces if marked else ()}
        for name, text, marked in zip("AB", shown, sides, strict=True)
    ]
    turns = [(turn["role"], shown_alike(turn["content"])[0]) for turn in assignment.item.prompt.messages]
    return {
        "prompt": [{"role": role, "words": ROLES.get(role, role), "text": text} for role, text in turns],
        "answers": answers,
        "unformatted": shown[0].formatted is None,
        "differences": differences,
        "plain": _plain_view(request, view),
    }


def _plain_view(request: HttpRequest, asked: str) -> bool:
    remembered = request.COOKIES.get(VIEW_COOKIE, "")
    return (asked if asked in REMEMBERED_VIEWS else remembered) == "plain"


def _differences(one: str, other: str) -> Comparison:
    return compared((Message("assistant", one),), (Message("assistant", other),))


def reading_seconds_left(assignment: Assignment) -> int:
    """How long the choices of this item stay closed from now on."""
    least = max(assigning.READING_SECONDS, assignment.item.study.rules.minimum_seconds)
    if not least or assignment.shown_at is None:
        return least
    return max(0, ceil(least - (timezone.now() - assignment.shown_at).total_seconds()))


def progress_facts(assignment: Assignment, user: User) -> dict[str, Any]:
    """How far the person is in the assignment's study, for the script."""
    found = assigning.progress(assignment.item.study, user)
    return {"judged": found.judged, "total": found.total, "text": str(found)}


def undo_facts(user: User) -> dict[str, Any] | None:
    """What undo would take back, for the script."""
    last = assigning.last_judgement(user)
    return {"url": reverse("rate-undo", args=[last.assignment.token]), "revision": last.revision} if last else None


def feedback_context(rating: Rating) -> dict[str, Any]:
    """What is said after a training item."""
    found = assigning.feedback(rating)
    explanation = shown_alike(found.explanation)[0] if found.explanation.strip() else None
    return {"feedback": found, "explanation": explanation}
