"""A study's way after its answers are stored: pause, reopen, close; and how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from alignapp.accounts.models import User
from alignapp.celery import call_workers

from .assignment.leases import locked
from .audit import record
from .models import Answer, Assignment, Contender, Item, Study, StudyKind, StudyState
from .raters import left_out
from .results.pools import as_they_are
from .sampling import REFUSED
from .statistics.exclusion import ExclusionRule
from .stopping import paused_by_rule

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
    with transaction.atomic():
        before = locked(study.pk, judging=True).state
        if before not in allowed:
            return False
        change: dict[str, Any] = {"state": target, "heartbeat_at": None}
        if target == StudyState.CLOSED:
            change |= {"closed_at": timezone.now(), "pools_at_close": as_they_are(study)}
        if target == StudyState.GENERATING:
            change["error"] = ""
        Study.objects.filter(pk=study.pk).update(**change)
        record(study, user, verb, before=before, after=target)
    if target == StudyState.CLOSED and study.rules.exclusion != ExclusionRule():
        _tell_who_is_left_out(study)
    if target == StudyState.GENERATING:
        call_workers("comparisons.tasks.work_on_studies")
    return True


def _tell_who_is_left_out(study: Study) -> None:
    """Write down whom the rule leaves out of the results that are shown from now on."""
    names = User.objects.filter(pk__in=left_out(study)).order_by("username").values_list("username", flat=True)
    record(study, None, "left out", raters=list(names) or ["nobody"], rule=str(study.rules.exclusion))


class ExtensionRefused(ValueError):
    """More than a study can give, or less than it has; the message is a sentence for people."""


def extend(
    study: Study, user: User | None, *, item_limit: int | None = None, ratings_per_item: int | None = None
) -> Study:
    """Let a study have more items (0: all there are) or more ratings per item; raises ExtensionRefused.

    Workers make the new items from the stored answers. A study that its stop rule has paused is open again.
    """
    with transaction.atomic():
        study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
        wanted = {"item_limit": item_limit, "ratings_per_item": ratings_per_item}
        change = {name: value for name, value in wanted.items() if value not in {None, getattr(study, name)}}
        _refuse_extension(study, change)
        told = {name: [getattr(study, name), value] for name, value in change.items()}
        by_rule = study.state == StudyState.PAUSED and paused_by_rule(study) is not None
        Study.objects.filter(pk=study.pk).update(**change, **({"state": StudyState.OPEN} if by_rule else {}))
        record(study, user, "extended", **told, **({"reopened": True} if by_rule else {}))
        transaction.on_commit(lambda: call_workers("comparisons.tasks.tend_open_studies"))
    study.refresh_from_db()
    return study


def _refuse_extension(study: Study, change: Mapping[str, int | None]) -> None:
    if study.state not in {StudyState.OPEN, StudyState.PAUSED}:
        state = study.get_state_display().lower()
        raise ExtensionRefused(f"The study is {state}. Only an open or paused study can be extended.")
    if not change:
        raise ExtensionRefused("The study has that already. Ask for more items or for more ratings per item.")
    items, ratings = change.get("item_limit"), change.get("ratings_per_item")
    if items is not None and study.kind == StudyKind.ADVERSARIAL:
        raise ExtensionRefused("Items of this study come from what raters write, so there is no number to raise.")
    if items is not None and (study.item_limit == 0 or 0 < items < study.item_limit):
        raise ExtensionRefused(
            f"The study has {study.item_limit:,} items. It can be extended, not cut short; close it instead."
            if study.item_limit
            else "The study has all items that its answers give. Raise the ratings per item instead."
        )
    if ratings is not None and ratings < study.ratings_per_item:
        had = f"{study.ratings_per_item} ratings per item"
        raise ExtensionRefused(f"The study asks for {had}. It can be extended, not cut short; close it instead.")


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
