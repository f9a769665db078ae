"""Items on which raters disagree, and a person's decision about them: blind like a judgement, and kept for ever."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from math import log2

from django.db import transaction
from django.db.models import Q, QuerySet

from alignapp.accounts.models import User

from .assignment.leases import locked
from .audit import record
from .models import Adjudication, Assignment, Choice, Item, Rating, Study, StudyState, Verdict

OWN_RUN = "An answer comes from a run that you launched. Somebody else must decide this item."
OWN_RATING = "You judged or skipped this item yourself. Somebody else must decide it."
NOT_DISPUTED = "Raters do not disagree about this item, so there is nothing to decide."
CLOSED = "The study is {state}. Items are decided before results can be seen, while it is open or paused."
DECIDED = "{name} has decided this item meanwhile; that decision stands. It can be replaced on Disagreements."


class AdjudicationRefused(ValueError):
    """A decision that is not this person's to make; the message is a sentence for them."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """An item with what its raters said, most frequent first."""

    item: Item
    votes: tuple[tuple[Verdict, int], ...]
    decided: Adjudication | None

    @property
    def bits(self) -> float:
        """Entropy of what was said: 1 where halves stand against each other, 2 where all four are said as often."""
        total = sum(count for _, count in self.votes)
        return -sum(count / total * log2(count / total) for _, count in self.votes)

    @property
    def place(self) -> tuple[float, int]:
        """Its place among the disputes of its study: the most divided first, whether decided or not."""
        return -round(self.bits, 9), self.item.position


def votes_of(study: Study) -> dict[int, Counter[Verdict]]:
    """Item id -> what was said of it, counted, whatever the sides."""
    votes: dict[int, Counter[Verdict]] = defaultdict(Counter)
    rows = Rating.objects.counted().filter(assignment__item__study=study)
    for item, choice, first_is_a in rows.values_list("assignment__item", "choice", "assignment__first_is_a"):
        if said := Verdict.of(choice, first_is_a):
            votes[item][said] += 1
    return votes


def disputes(study: Study) -> list[Dispute]:
    """Items of which different things were said, the most divided first; decided ones come last."""
    votes = {item: said for item, said in votes_of(study).items() if len(said) > 1}
    decided = latest(Adjudication.objects.filter(item__in=votes))
    items = Item.objects.filter(pk__in=votes).select_related("prompt", "first", "second")
    found = [Dispute(item, tuple(votes[item.pk].most_common()), decided.get(item.pk)) for item in items]
    return sorted(found, key=lambda one: (one.decided is not None, one.place))


def latest(rows: QuerySet[Adjudication]) -> dict[int, Adjudication]:
    """Item id -> the decision that holds: a later one replaces an earlier one."""
    return {row.item_id: row for row in rows.select_related("adjudicator").order_by("id")}


# --- Who decides what -------------------------------------------------------------------------------------------------


def open_disputes(study: Study, user: User) -> list[Dispute]:
    """Undecided items that this person may decide, the most divided first."""
    if study.state not in {StudyState.OPEN, StudyState.PAUSED}:
        return []
    allowed = set(_allowed(study, user).values_list("pk", flat=True))
    return [one for one in disputes(study) if one.decided is None and one.item.pk in allowed]


def next_dispute(study: Study, user: User, after: int | None = None) -> Dispute | None:
    """The undecided item that comes after the item of this number, and after the last the first again."""
    left = open_disputes(study, user)
    passed = next((one.place for one in disputes(study) if one.item.number == after), None) if after else None
    later = [one for one in left if passed is None or one.place > passed]
    return next(iter(later or left), None)


def dispute_about(item: Item, user: User) -> Dispute:
    """The item with what was said of it, for this person to decide or to decide anew; raises AdjudicationRefused."""
    study = item.study
    if study.state not in {StudyState.OPEN, StudyState.PAUSED}:
        raise AdjudicationRefused(CLOSED.format(state=study.get_state_display().lower()))
    if Assignment.objects.filter(item=item, rater=user, ratings__isnull=False).exists():
        raise AdjudicationRefused(OWN_RATING)
    if not _allowed(study, user).filter(pk=item.pk).exists():
        raise AdjudicationRefused(OWN_RUN)
    found = next((one for one in disputes(study) if one.item.pk == item.pk), None)
    if found is None:
        raise AdjudicationRefused(NOT_DISPUTED)
    return found


def _allowed(study: Study, user: User) -> QuerySet[Item]:
    """Items that this person said nothing of and, unless the study lets people judge their own runs, without those."""
    said = Assignment.objects.filter(rater=user, item__study=study, ratings__isnull=False)
    items = study.items.comparisons().exclude(pk__in=said.values("item"))
    if study.rules.own_runs:
        return items
    own = "contender__policy__run__created_by"
    return items.exclude(Q(**{f"first__{own}": user}) | Q(**{f"second__{own}": user}))


def first_is_a(item: Item, user: User) -> bool:
    """Whether the item's first answer stands on side A for this adjudicator: by chance, and the same on every visit."""
    return hashlib.sha256(f"{item.pk} {user.pk}".encode()).digest()[0] % 2 == 0


# --- Deciding ---------------------------------------------------------------------------------------------------------


def decide(item: Item, user: User, choice: str, note: str = "", replaces: int | None = None) -> Adjudication:
    """Store what this person decided about the item as they saw it; raises AdjudicationRefused.

    `replaces`: the decision that stood when they saw it, if one did. Sent twice it is stored once.
    """
    verdict = Verdict.of(Choice(choice), first_is_a(item, user))
    if verdict is None:
        raise AdjudicationRefused("Choose one of the four decisions.")
    with transaction.atomic():
        item.study = locked(item.study_id, judging=True)
        before = dispute_about(item, user).decided
        if before and before.pk != replaces:
            if (before.adjudicator_id, before.verdict, before.note) == (user.pk, verdict, note):
                return before
            raise AdjudicationRefused(DECIDED.format(name=before.adjudicator.username))
        decided = Adjudication.objects.create(item=item, adjudicator=user, verdict=verdict, note=note)
        told = {"instead_of": before.verdict} if before else {}
        record(item.study, user, "adjudicated", number=item.number, verdict=verdict.value, **told)
    return decided
