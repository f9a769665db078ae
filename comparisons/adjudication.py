"""Items on which raters disagree, and a person's decision about them: blind like a judgement, and kept for ever."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet

from alignapp.accounts.models import User

from .audit import record
from .models import Adjudication, Choice, Item, Rating, Study, Verdict


class AdjudicationRefused(ValueError):
    """A decision that is not this person's to make; the message is a sentence for them."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """An item with what its raters said, most frequent first."""

    item: Item
    votes: tuple[tuple[Verdict, int], ...]
    decided: Adjudication | None


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
    decided = {row.item_id: row for row in Adjudication.objects.filter(item__in=votes).select_related("adjudicator")}
    items = Item.objects.filter(pk__in=votes).select_related("prompt", "first", "second")
    found = [Dispute(item, tuple(votes[item.pk].most_common()), decided.get(item.pk)) for item in items]
    return sorted(found, key=lambda one: (one.decided is not None, _majority(one), one.item.position))


def _majority(dispute: Dispute) -> float:
    return dispute.votes[0][1] / sum(count for _, count in dispute.votes)


def next_dispute(study: Study, user: User) -> Dispute | None:
    """The most divided undecided item that this person may decide; None when there is none."""
    allowed = set(_allowed(study, user).values_list("pk", flat=True))
    return next((one for one in disputes(study) if one.decided is None and one.item.pk in allowed), None)


def _allowed(study: Study, user: User) -> QuerySet[Item]:
    """Items without answers of runs that this person launched, unless the study lets people judge their own."""
    items = study.items.comparisons()
    if study.rules.own_runs:
        return items
    own = "contender__policy__run__created_by"
    return items.exclude(Q(**{f"first__{own}": user}) | Q(**{f"second__{own}": user}))


def first_is_a(item: Item, user: User) -> bool:
    """Whether the item's first answer stands on side A for this adjudicator: by chance, and the same on every visit."""
    return hashlib.sha256(f"{item.pk} {user.pk}".encode()).digest()[0] % 2 == 0


def decide(item: Item, user: User, choice: str, note: str = "") -> Adjudication:
    """Store what this person decided about the item as they saw it; raises AdjudicationRefused."""
    if not _allowed(item.study, user).filter(pk=item.pk).exists():
        raise AdjudicationRefused("An answer comes from a run that you launched. Somebody else must decide this item.")
    verdict = Verdict.of(Choice(choice), first_is_a(item, user))
    if verdict is None:
        raise AdjudicationRefused("Choose one of the four decisions.")
    with transaction.atomic():
        decided = Adjudication.objects.create(item=item, adjudicator=user, verdict=verdict, note=note)
        record(item.study, user, "adjudicated", item=item.position, verdict=verdict.value)
    return decided
