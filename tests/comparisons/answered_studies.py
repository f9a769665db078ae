"""Studies whose answers are stored and whose items are still to be made, with plain functions."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from django.db.models import F
from django.utils import timezone

from alignapp.accounts.models import User
from comparisons.models import Answer, Assignment, Item, Rating, Study
from tests.comparisons.rating_factories import make_prompt, make_study
from tests.factories import make_policy


def answered_study(policies: int = 3, prompts: int = 20, **fields: Any) -> Study:
    """A generating study in which every policy has answered every prompt, each in words of its own."""
    values: dict[str, Any] = {"state": "generating", "opened_at": None}
    study = make_study(items=0, policies=[make_policy() for _ in range(policies)], **(values | fields))
    suite = study.suites.get()
    asked = [make_prompt(suite, position, f"Question {position}?") for position in range(prompts)]
    facts = {"finish_reason": "stop", "tokens": 9, "first_token_seconds": 0.1, "total_seconds": 0.2, "seed": 1}
    Answer.objects.bulk_create(
        Answer(contender=contender, prompt=prompt, text=f"Answer {place} to {prompt.position}.", **facts)
        for place, contender in enumerate(study.contenders.all())
        for prompt in asked
    )
    return study


def rate_in_bulk(study: Study, rater: User, choose: Callable[[Item], str]) -> int:
    """Judge every comparison that has a free place and that this person has not seen; `choose` gives the verdict, as
    with the first answer on side A. Quicker than one page after the other. Returns how many."""
    free = study.items.comparisons().filter(held__lt=study.ratings_per_item).exclude(assignments__rater=rater)
    items = list(free.select_related("first", "second").order_by("position"))
    until = timezone.now()
    done = Assignment.objects.bulk_create(
        Assignment(item=item, rater=rater, first_is_a=True, state="done", lease_until=until) for item in items
    )
    Rating.objects.bulk_create(
        Rating(assignment=assignment, revision=1, choice=choose(assignment.item), seconds=10.0) for assignment in done
    )
    Item.objects.filter(pk__in=[item.pk for item in items]).update(held=F("held") + 1)
    return len(items)


def by_strength(study: Study, *strengths: float) -> Callable[[Item], str]:
    """A rater who prefers each contender with the Bradley-Terry chance of these strengths, repeatably."""
    of = dict(zip(study.contenders.values_list("pk", flat=True), strengths, strict=True))
    chance = random.Random(1)

    def choose(item: Item) -> str:
        gap = of[item.first.contender_id or 0] - of[item.second.contender_id or 0]
        return "a" if chance.random() < 1 / (1 + math.exp(-gap)) else "b"

    return choose


def pairs_of(study: Study) -> list[tuple[int, int]]:
    """The two contenders of every comparison of a study, in the order of their positions."""
    rows = study.items.comparisons().order_by("position").values_list("first__contender", "second__contender")
    return [(min(first, second), max(first, second)) for first, second in rows]
