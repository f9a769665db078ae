"""What the pages of raters show: the contexts of their templates, and what comes before an item is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from math import ceil
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from alignapp.accounts.access import user_of
from comparisons import assignment as assigning
from comparisons import attempts
from comparisons.assignment import Progress, Rest
from comparisons.briefing import Briefing, briefing
from comparisons.forms.rating import REASONS, RatingForm, offered
from comparisons.models import Assignment, ItemKind, Prompt, Rating, Study, StudyKind
from comparisons.rendering import shown_alike
from training.preferences.browsing.differences import Comparison, compared
from training.preferences.records import Message

VIEW_COOKIE = "rating_view"
REMEMBERED_VIEWS = ("plain", "formatted")
RESTED = "rested_at"  # in the session: when this person said that they go on without a break
ROLES = {"system": "Instructions", "user": "Person", "assistant": "Assistant"}


class Desk:
    """What one request knows of its rater's work; every fact is asked for once."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.user = user_of(request)
        self._briefings: dict[int, Briefing | None] = {}
        self._progress: dict[int, Progress] = {}

    def briefing(self, study: Study) -> Briefing | None:
        if study.pk not in self._briefings:
            self._briefings[study.pk] = briefing(study.pk, self.user)
        return self._briefings[study.pk]

    def progress(self, study: Study) -> Progress:
        if study.pk not in self._progress:
            self._progress[study.pk] = assigning.progress(study, self.user)
        return self._progress[study.pk]

    @cached_property
    def undoable(self) -> dict[str, Any] | None:
        """What undo would take back: {url, revision}."""
        last = assigning.last_judgement(self.user)
        return undo_facts(last.token, last.revision) if last else None


def undo_facts(token: str, revision: int) -> dict[str, Any]:
    """How to take this judgement back."""
    return {"url": reverse("rate-undo", args=[token]), "revision": revision}


def interruption(desk: Desk, assignment: Assignment) -> str | None:
    """The address of what must come before this item, which is then not being read yet: a break, or a new guideline."""
    address = _before(desk, assignment)
    if address:
        assigning.hide(assignment)
    return address


def _before(desk: Desk, assignment: Assignment) -> str | None:
    study = assignment.item.study
    if rest_due(desk.request, study):
        return reverse("rate-break", args=[assignment.token])
    told = desk.briefing(study)
    # Writers have read it beside what they wrote.
    if told is None or told.is_read or is_own_turn(assignment):
        return None
    return reverse("rate-guideline", args=[assignment.token])


def is_own_turn(assignment: Assignment) -> bool:
    """Whether this person wrote the prompt themselves, so that a conversation waits for the judgement."""
    return assignment.item.study.kind == StudyKind.ADVERSARIAL and attempts.conversation_of(assignment) is not None


def rest_due(request: HttpRequest, study: Study) -> Rest | None:
    """The break that this person must make before they go on in this study."""
    rules = study.rules
    if not rules.sitting_minutes:
        return None
    rested = request.session.get(RESTED)
    rested_at = datetime.fromtimestamp(rested, UTC) if isinstance(rested, float) else None
    return assigning.rest_due(user_of(request), rules, rested_at)


def item_context(
    desk: Desk, assignment: Assignment, form: RatingForm | None = None, refused: str = ""
) -> dict[str, Any]:
    """Everything that the page of an item shows; `form` holds what was sent and refused, and `refused` says why."""
    study = assignment.item.study
    told, rules = desk.briefing(study), study.rules
    sent = form.data if form else {}
    return texts_context(desk.request, assignment) | {
        "token": assignment.token,
        "training": assignment.item.kind == ItemKind.TRAINING,
        "guideline": shown_alike(told.guideline.text)[0] if told else None,
        "revision": assigning.next_revision(assignment),
        "progress": desk.progress(study),
        "options": offered(rules),
        "chosen": sent.get("choice", ""),
        "reasons": REASONS if rules.reasons else [],
        "chosen_reasons": form.data.getlist("reasons") if form else [],  # type: ignore[attr-defined]
        "undoable": desk.undoable,
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
    return {
        "prompt": shown_prompt(assignment.item.prompt),
        "answers": answers,
        "unformatted": shown[0].formatted is None,
        "differences": differences,
        "plain": _plain_view(request, view),
    }


def shown_prompt(prompt: Prompt) -> list[dict[str, Any]]:
    """The turns of a prompt as pages show them: {role, words, text}."""
    turns = [(turn["role"], shown_alike(turn["content"])[0]) for turn in prompt.messages]
    return [{"role": role, "words": ROLES.get(role, role), "text": text} for role, text in turns]


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


def feedback_context(rating: Rating) -> dict[str, Any]:
    """What is said after a training item."""
    found = assigning.feedback(rating)
    explanation = shown_alike(found.explanation)[0] if found.explanation.strip() else None
    return {"feedback": found, "explanation": explanation}
