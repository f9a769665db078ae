"""People and workers who clean at once, run as a program on a database of its own with
DATABASE_URL=… ALIGNAPP_HOME=… python -m tests.training.preferences.cleaning.cleaning_race

Prints JSON: what became of the jobs, which versions there are, which files. People press the same button at the same
moment, and others whose recipes leave the same rows; some cancel. Workers dawdle until their job is taken from them.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

ROWS, ROUNDS, PEOPLE, WORKERS = 40, 6, 4, 3
MOST_SECONDS = 120


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")
    django.setup()
    from tests.factories import make_user
    from tests.training.preferences.pairs import pair
    from training.models import CleaningJob
    from training.preferences.versions import dataset_named, seal

    pairs = [pair(f"Question {n}?", f"Answer {n}.", f"No answer {n}.") for n in range(ROWS)]
    parent = seal(dataset_named("Islands"), pairs, {})
    people = [make_user() for _ in range(PEOPLE)]
    errors: list[str] = []
    statuses: Counter[int] = Counter()
    for turn in range(ROUNDS):
        presses = [_presser(parent.pk, person.pk, turn, place, statuses) for place, person in enumerate(people)]
        _at_once([*presses, *[_work_slowly] * WORKERS, _cancel_one], errors)
    while CleaningJob.objects.filter(state__in=["queued", "running"]).exists():
        _age_claims()
        _at_once([_work] * WORKERS, errors)
    json.dump(_report(parent.pk, errors, statuses), sys.stdout)


def _at_once(tasks: list[Callable[[], None]], errors: list[str]) -> None:
    """All of them in threads that begin together."""
    from django.db import connection

    together = threading.Barrier(len(tasks))

    def run(task: Callable[[], None]) -> None:
        try:
            together.wait()
            task()
        except Exception as error:
            errors.append(repr(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[task]) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(MOST_SECONDS)


def _presser(parent: int, person: int, turn: int, place: int, statuses: Counter[int]) -> Callable[[], None]:
    """Somebody who presses the button twice. The first two have one recipe; the third another to the same end."""
    from django.test import Client
    from django.urls import reverse

    from alignapp.accounts.models import User
    from training.models import DatasetVersion
    from training.preferences.cleaning.recipes import Drop, Recipe, Soften
    from training.preferences.filters import Filter

    first, second = (Drop(rows=Filter(rows=(row,))) for row in (2 * turn, 2 * turn + 1))
    both = Recipe(steps=(Drop(rows=Filter(rows=(2 * turn, 2 * turn + 1))),))
    recipes = [both, both, Recipe(steps=(first, second)), Recipe(steps=(Soften(value=0.5 + turn / 100),))]

    def press() -> None:
        client = Client(SERVER_NAME="localhost")
        client.force_login(User.objects.get(pk=person))
        version = DatasetVersion.objects.select_related("dataset").get(pk=parent)
        address = reverse("dataset-clean", args=[version.dataset.slug, version.number])
        for _ in range(2):
            answer = client.post(address, {"recipe": recipes[place].token(), "do": "apply"})
            statuses[answer.status_code] += 1

    return press


def _work() -> None:
    from training.preferences.cleaning import making

    making.work()


def _work_slowly() -> None:
    """A worker whose claims now and then look abandoned, so that another takes the job over."""
    for _ in range(4):
        _work()
        if random.random() < 0.5:
            _age_claims()


def _age_claims() -> None:
    from django.db.models import F

    from training.models import CleaningJob

    CleaningJob.objects.filter(state="running").update(heartbeat_at=F("heartbeat_at") - timedelta(hours=1))


def _cancel_one() -> None:
    from training import jobs
    from training.models import CleaningJob

    job = CleaningJob.objects.filter(state__in=["queued", "running"]).order_by("?").first()
    if job and random.random() < 0.5:
        jobs.cancel(job)


def _report(parent: int, errors: list[str], statuses: Counter[int]) -> dict[str, Any]:
    from django.conf import settings

    from training.models import CleaningJob, DatasetVersion
    from training.preferences.cleaning import diffs

    version = DatasetVersion.objects.get(pk=parent)
    children = list(version.children.order_by("number"))
    folder = Path(settings.HOME) / "datasets"
    wanted = {
        version.path,
        *(file for child in children for file in (child.path, diffs.place(child.path, version.sha256))),
    }
    return {
        "errors": errors,
        "statuses": {str(status): count for status, count in statuses.items()},
        "states": Counter(CleaningJob.objects.values_list("state", flat=True)),
        "said": sorted(set(CleaningJob.objects.exclude(error="").values_list("error", flat=True))),
        "succeeded_without_version": CleaningJob.objects.filter(state="succeeded", version=None).count(),
        "numbers": [child.number for child in children],
        "contents": len({child.sha256 for child in children}),
        "missing_files": sorted(file.name for file in wanted if not file.exists()),
        "other_files": sorted(file.name for file in folder.iterdir() if file not in wanted),
    }


if __name__ == "__main__":
    main()
