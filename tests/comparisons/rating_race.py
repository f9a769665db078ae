"""Raters at once on a database of their own, run as a program: DATABASE_URL=… python -m tests.comparisons.rating_race.

Prints JSON: what every item got, how often each outcome came, how many rating rows there are. Some raters dawdle until
their lease is taken away, send everything twice, skip, and undo, as people do.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from alignapp.accounts.models import User
    from comparisons.models import Assignment

THREADS, ITEMS, PER_ITEM = 8, 30, 3


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")
    django.setup()
    from tests.comparisons.rating_factories import make_rater, make_study

    make_study(items=ITEMS, ratings_per_item=PER_ITEM)
    raters = [make_rater() for _ in range(THREADS)]
    outcomes: Counter[str] = Counter()
    errors: list[str] = []
    threads = [threading.Thread(target=sit, args=(rater.pk, outcomes, errors)) for rater in raters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # What was skipped or taken back when everybody else had gone: somebody comes later, who judges whatever is left.
    sit(make_rater().pk, outcomes, errors, Steady())
    json.dump(report(outcomes, errors), sys.stdout)


class Steady(random.Random):
    """The chance of somebody who neither dawdles nor skips nor undoes."""

    def random(self) -> float:
        return 1.0


def sit(rater_id: int, outcomes: Counter[str], errors: list[str], chance: random.Random | None = None) -> None:
    """One person's sitting, until nothing is left."""
    from django.db import connection

    try:
        while judge_one(rater_id, chance or random.Random(), outcomes):
            pass
    except Exception as error:
        errors.append(repr(error))
    finally:
        connection.close()


def judge_one(rater_id: int, chance: random.Random, outcomes: Counter[str]) -> bool:
    from django.utils import timezone

    from alignapp.accounts.models import User
    from comparisons import assignment as assigning
    from comparisons.models import Assignment

    rater = User.objects.get(pk=rater_id)
    assignment = assigning.next_assignment(rater)
    if assignment is None:
        return False
    look_around(rater, assignment, chance)
    if chance.random() < 0.2:
        Assignment.objects.filter(pk=assignment.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        assigning.expire_leases()
    choice = "skip" if chance.random() < 0.05 else "a"
    revision = assigning.next_revision(assignment)
    for _ in range(2):
        outcomes[assigning.submit(assignment, choice, revision)] += 1
    if chance.random() < 0.1:
        outcomes[assigning.undo(assignment, revision)] += 1
    return True


def look_around(rater: User, assignment: Assignment, chance: random.Random) -> None:
    """What the page asks for beside the item; every third time the item after it is fetched ahead."""
    from comparisons import assignment as assigning
    from comparisons.briefing import briefing

    assert assigning.resume(assignment)
    assert assigning.progress(assignment.item.study, rater).total > 0
    assigning.last_judgement(rater)
    assert briefing(assignment.item.study_id, rater)
    if chance.random() < 0.3:
        assigning.fetch_ahead(rater, assignment)


def report(outcomes: Counter[str], errors: list[str]) -> dict[str, object]:
    from comparisons.models import HELD, Assignment, Item, Rating

    counted = Counter(Rating.objects.counted().values_list("assignment__item", flat=True))
    held = Counter(Assignment.objects.filter(state__in=HELD).values_list("item", flat=True))
    return {
        "judgements_per_item": sorted(counted.get(item, 0) for item in Item.objects.values_list("pk", flat=True)),
        "most_places_held": max(held.values()),
        "outcomes": outcomes,
        "errors": errors,
        "counted": sum(counted.values()),
        "standing_per_assignment": max(
            Counter(Rating.objects.standing().values_list("assignment", flat=True)).values()
        ),
    }


if __name__ == "__main__":
    main()
