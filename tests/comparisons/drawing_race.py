"""Workers that draw and raters that judge, all at once, on a database of their own.

Run as a program: DATABASE_URL=… python -m tests.comparisons.drawing_race. Prints JSON: how many items there are, how
many are the same two answers, what every item got, and what went wrong.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter

import django

WORKERS, RATERS, LIMIT = 3, 2, 50


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")
    django.setup()
    from comparisons.drawing import open_study
    from tests.comparisons.answered_studies import answered_study
    from tests.comparisons.rating_factories import make_rater

    study = answered_study(prompts=30, item_limit=LIMIT, ratings_per_item=2, design={"selection": "informed"})
    open_study(study)
    raters = [make_rater() for _ in range(RATERS)]
    errors: list[str] = []
    over = threading.Event()
    drawing = [threading.Thread(target=guarded, args=(errors, keep_drawing, study.pk, over)) for _ in range(WORKERS)]
    rating = [threading.Thread(target=guarded, args=(errors, keep_rating, study.pk, rater.pk)) for rater in raters]
    for thread in (*drawing, *rating):
        thread.start()
    for thread in rating:
        thread.join()
    over.set()
    for thread in drawing:
        thread.join()
    json.dump(report(errors), sys.stdout)


def guarded(errors: list[str], work, *arguments) -> None:
    """One thread's work with a connection of its own; what goes wrong is told."""
    from django.db import connection

    try:
        work(*arguments)
    except Exception as error:
        errors.append(repr(error))
    finally:
        connection.close()


def keep_drawing(study_id: int, over: threading.Event) -> None:
    from comparisons.drawing import draw_more
    from comparisons.models import Study

    while not over.is_set():
        draw_more(Study.objects.get(pk=study_id))
        time.sleep(0.1)


def keep_rating(study_id: int, rater_id: int) -> None:
    """Judge until every item has both of its judgements."""
    from alignapp.accounts.models import User
    from comparisons import assignment as assigning
    from comparisons.models import Item, Study

    rater, study = User.objects.get(pk=rater_id), Study.objects.get(pk=study_id)
    while True:
        assignment = assigning.next_assignment(rater)
        if assignment:
            assigning.submit(assignment, "a", assigning.next_revision(assignment))
        elif Item.objects.count() >= LIMIT and not assigning.free_items(study, rater).exists():
            return


def report(errors: list[str]) -> dict[str, object]:
    from comparisons.models import Item, Rating

    meetings = Counter(frozenset(meeting) for meeting in Item.objects.values_list("first", "second"))
    counted = Counter(Rating.objects.counted().values_list("assignment__item", flat=True))
    return {
        "items": Item.objects.count(),
        "most_alike": max(meetings.values()),
        "most_judgements": max(counted.values()),
        "positions": len(set(Item.objects.values_list("position", flat=True))),
        "errors": errors,
    }


if __name__ == "__main__":
    main()
