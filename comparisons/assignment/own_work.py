"""What a person may know of their own work: time, agreement with gold, the latest judgements, training.

Nothing here tells which items were checks: agreement is told over all of them, and moves in steps of many judgements.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from django.db.models import Q, QuerySet
from django.utils import timezone

from alignapp.accounts.models import User
from comparisons.checks import outcomes
from comparisons.design import REPEAT_DISTANCE
from comparisons.models import Choice, ItemKind, Rating, Study, Verdict
from comparisons.pace import time_spent

from .giving import is_admitted

GOLD_LEAST = 10
GOLD_STEP = 20  # agreement is told after so many judgements: it would tell a check if it moved after one
# What may come again as a repeat is further back, so that nobody can look up what they said of it.
HISTORY = REPEAT_DISTANCE - 1


@dataclass(frozen=True, slots=True)
class Worked:
    """Time spent on judging; a judgement counts as at most BREAK, because people leave items open."""

    today: timedelta
    ever: timedelta

    @property
    def words_today(self) -> str:
        return _words(self.today)

    @property
    def words_ever(self) -> str:
        return _words(self.ever)


def _words(time: timedelta) -> str:
    """Hours and minutes; begun minutes count."""
    hours, minutes = divmod(ceil(time.total_seconds() / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def worked(rater: User, study: Study | None = None) -> Worked:
    """The person's time, today (UTC) and in all, in one study or in every one."""
    mine = Rating.objects.work().filter(assignment__rater=rater)
    if study:
        mine = mine.filter(assignment__item__study=study)
    today = Q(created_at__gte=timezone.now().replace(hour=0, minute=0, second=0, microsecond=0))
    return Worked(time_spent(mine.filter(today)), time_spent(mine))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many gold items were judged as expected."""

    right: int
    count: int

    @property
    def percent(self) -> int:
        return round(100 * self.right / self.count)


def gold_agreement(study: Study, rater: User) -> Agreement | None:
    """Agreement with gold where the study shows it; None while it rests on fewer than GOLD_LEAST items.

    Counted over the first GOLD_STEP, 2 · GOLD_STEP, … judgements of this person.
    """
    if not study.rules.show_gold_agreement:
        return None
    kinds = Rating.objects.judged().filter(assignment__item__study=study, assignment__rater=rater).order_by("id")
    judged = list(kinds.values_list("assignment__item__kind", flat=True))
    whole_steps = judged[: len(judged) - len(judged) % GOLD_STEP]
    count = whole_steps.count(ItemKind.GOLD)
    if count < GOLD_LEAST:
        return None
    right = [is_right for _, is_right in outcomes(study, ItemKind.GOLD, rater=rater)][:count]
    return Agreement(sum(right), count)


def latest_judgements(rater: User) -> QuerySet[Rating]:
    """The person's last few judgements and skips, training left out, newest first."""
    mine = Rating.objects.standing().filter(assignment__rater=rater).exclude(assignment__item__kind=ItemKind.TRAINING)
    related = "assignment__item__prompt", "assignment__item__first", "assignment__item__second"
    return mine.select_related(*related).order_by("-id")[:HISTORY]


@dataclass(frozen=True, slots=True)
class Training:
    """How a person did in a study's `count` training items, after which they got no live items."""

    study: Study
    right: int
    count: int

    @property
    def wanted_percent(self) -> int:
        return round(100 * self.study.rules.training_share_right)


def failed_trainings(rater: User) -> list[Training]:
    """Open studies that gave this person no live items because of their training."""
    studies = Study.objects.open_to(rater).filter(items__kind=ItemKind.TRAINING).distinct().order_by("opened_at", "id")
    return [_result(study, rater) for study in studies if not is_admitted(study, rater)]


def _result(study: Study, rater: User) -> Training:
    right = sum(is_right for _, is_right in outcomes(study, ItemKind.TRAINING, rater=rater))
    return Training(study, right, study.items.filter(kind=ItemKind.TRAINING, quarantine="").count())


@dataclass(frozen=True, slots=True)
class Feedback:
    """What is said after a training item: expected judgements in the words of its page, and why."""

    right: bool
    said: str
    expected: tuple[str, ...]
    explanation: str


def feedback(rating: Rating) -> Feedback:
    """Feedback on the judgement of a training item."""
    assignment = rating.assignment
    expected = assignment.item.expected
    said = Verdict.of(rating.choice, assignment.first_is_a)
    labels = {Verdict.of(choice, assignment.first_is_a): choice.label for choice in Choice if choice != Choice.SKIP}
    wanted = tuple(label for verdict, label in labels.items() if verdict in expected.accepts)
    return Feedback(said in expected.accepts, Choice(rating.choice).label, wanted, expected.explanation)
