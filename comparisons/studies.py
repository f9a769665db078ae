"""A study's way after its answers are stored: pause, reopen, close; and how far it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from alignapp.accounts.models import User
from alignapp.celery import call_workers

from .audit import record
from .models import Answer, Assignment, Contender, Item, Study, StudyState
from .sampling import REFUSED

# Verb -> states it is allowed in, state it leads to.
MOVES = {
    "pause": ({StudyState.OPEN}, StudyState.PAUSED),
    "reopen": ({StudyState.PAUSED}, StudyState.OPEN),
    "retry": ({StudyState.FAILED}, StudyState.GENERATING),
    "close": ({StudyState.GENERATING, StudyState.OPEN, StudyState.PAUSED, StudyState.FAILED}, StudyState.CLOSED),
}


def move(study: Study, verb: str, user: User | None = None) -> bool:
    """Change the study's state, unless somebody else has changed it meanwhile; returns whether this call did."""
    allowed, target = MOVES[verb]
    change: dict[str, Any] = {"state": target, "heartbeat_at": None}
    if target == StudyState.CLOSED:
        change["closed_at"] = timezone.now()
    if target == StudyState.GENERATING:
        change["error"] = ""
    before = study.state
    moved = bool(Study.objects.filter(pk=study.pk, state__in=allowed).update(**change))
    if moved:
        record(study, user, verb, before=before, after=target)
    if moved and target == StudyState.GENERATING:
        call_workers("comparisons.tasks.work_on_studies")
    return moved


@dataclass(frozen=True, slots=True)
class ContenderProgress:
    """How far one contender is: answers stored, refused prompts, failed requests."""

    contender_id: int
    policy_id: int
    name: str
    method: str
    answers: int
    errors: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of a study, each counted in the database when it is asked for."""

    prompts: int
    contenders: list[ContenderProgress]
    items: int
    quarantined: list[tuple[str, int]]
    ratings: int
    ratings_wanted: int
    raters: int

    @property
    def answers(self) -> int:
        return sum(contender.answers for contender in self.contenders)

    @property
    def answers_wanted(self) -> int:
        return self.prompts * len(self.contenders)

    @property
    def answers_text(self) -> str:
        return f"{self.answers:,} of {self.answers_wanted:,} answers"

    @property
    def ratings_text(self) -> str:
        return f"{self.ratings:,} of {self.ratings_wanted:,} ratings"

    @property
    def set_aside(self) -> int:
        return sum(count for _, count in self.quarantined)


def progress_of(study: Study) -> Progress:
    """Count answers, items and judgements; says nothing about who leads."""
    items = study.items.comparisons().count()
    reasons = study.items.exclude(quarantine="").values_list("quarantine").annotate(n=Count("pk")).order_by("-n")
    judged = Assignment.objects.judged_comparisons().filter(item__study=study)
    return Progress(
        prompts=study.prompts.count(),
        contenders=contenders_of(study),
        items=items,
        quarantined=list(reasons),
        ratings=judged.count(),
        ratings_wanted=items * study.ratings_per_item,
        raters=judged.values("rater").distinct().count(),
    )


def contenders_of(study: Study) -> list[ContenderProgress]:
    counted = study.contenders.select_related("policy").annotate(
        done=Count("answers"), failed=Count("answers", filter=Q(answers__finish_reason=REFUSED))
    )
    return [
        ContenderProgress(row.pk, row.policy_id, row.policy.name, row.policy.method or "base", row.done, row.failed)
        for row in counted.order_by("pk")
    ]


@dataclass(frozen=True, slots=True)
class Summary:
    """One study in a list: who is compared, and how far it is."""

    study: Study
    contenders: list[Contender]
    answers: int
    answers_wanted: int
    items: int
    ratings: int

    @property
    def ratings_wanted(self) -> int:
        return self.items * self.study.ratings_per_item

    @property
    def missing(self) -> int:
        return max(0, self.ratings_wanted - self.ratings)


def summaries(studies: Iterable[Study]) -> list[Summary]:
    """Count for all studies at once, with a number of queries that does not grow with them."""
    studies = list(studies)
    contenders: dict[int, list[Contender]] = {study.pk: [] for study in studies}
    for contender in Contender.objects.filter(study__in=contenders).select_related("policy"):
        contenders[contender.study_id].append(contender)
    prompts = counts(Study.suites.through.objects.filter(study__in=contenders), "study", "suite__prompts")
    answers = counts(Answer.objects.filter(contender__study__in=contenders), "contender__study")
    items = counts(Item.objects.comparisons().filter(study__in=contenders), "study")
    judged = Assignment.objects.judged_comparisons().filter(item__study__in=contenders)
    ratings = counts(judged, "item__study")
    return [
        Summary(
            study,
            contenders[study.pk],
            answers.get(study.pk, 0),
            prompts.get(study.pk, 0) * len(contenders[study.pk]),
            items.get(study.pk, 0),
            ratings.get(study.pk, 0),
        )
        for study in studies
    ]


def counts(rows: QuerySet[Any], study: str, of: str = "pk") -> dict[int, int]:
    """Study id -> number of rows, or of what they refer to."""
    return dict(rows.order_by().values_list(study).annotate(Count(of)))
