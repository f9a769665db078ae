"""`python -m bench.rating.prepare ITEMS K RATERS`: a study that is open for rating, and people who rate it.

Texts are random words; later policies say more than earlier ones, so that the policies differ in length as real ones
do. Prints nothing. With one of the names in TOLD it prints what the measurements must know, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import uuid
from typing import Any

FIRST_ID = 917_000_001  # ids of policies that occur in a page for no other reason
PASSWORD = "a long password for measuring"


def main(arguments: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")
    import django

    django.setup()
    if arguments[0] in TOLD:
        print(json.dumps(TOLD[arguments[0]]()))
    else:
        items, k, raters = (int(argument) for argument in arguments)
        make_raters(raters)
        make_study(items, k)


def make_raters(count: int) -> None:
    """Annotators rater0, rater1, …, with one password, hashed once: log-ins are not what is measured."""
    from django.contrib.auth.hashers import make_password

    from alignapp.accounts.models import Role, User

    secret = make_password(PASSWORD)
    for number in range(count):
        User(username=f"rater{number}", role=Role.ANNOTATOR, password=secret).save()


def make_study(items: int, k: int) -> None:
    """Four policies on as many prompts as the items need, each pair of policies on every prompt, shuffled."""
    from django.utils import timezone

    from comparisons import drawing
    from comparisons.creation import create_study
    from comparisons.models import Answer, Study
    from comparisons.suites import create_suite
    from training.models import Policy, PolicyKind

    prompts = -(-items // 6)
    policies = [
        Policy.objects.create(
            pk=FIRST_ID + n,
            name=f"Kanarie policy {n}",
            kind=PolicyKind.BASE,
            served_name=f"kanarie-{n}",
            digest=f"c0ffee{n}" * 9,
        )
        for n in range(4)
    ]
    suite = create_suite(name="Measured", prompts=[[{"role": "user", "content": _prompt(n)}] for n in range(prompts)])
    study = create_study(
        name="Which is better",
        suites=[suite],
        policies=policies,
        sampling={},
        item_limit=items,
        ratings_per_item=k,
        guideline="Prefer the answer that is right.",
    )
    chance = random.Random(0)
    Answer.objects.bulk_create(
        Answer(
            contender=contender,
            prompt=prompt,
            text=_answer(chance, 20 + 15 * place),
            finish_reason="stop",
            tokens=60,
            first_token_seconds=0.05,
            total_seconds=0.5,
            seed=1,
            served_name=contender.policy.served_name,
            engine_version="0",
        )
        for place, contender in enumerate(study.contenders.select_related("policy"))
        for prompt in suite.prompts.all()
    )
    drawing.open_study(study)
    Study.objects.filter(pk=study.pk).update(opened_at=timezone.now())


def _prompt(number: int) -> str:
    return f"Question {number}: which of the islands is the largest, and how do you know?"


def _answer(chance: random.Random, words: int) -> str:
    """About so many words of two to nine letters; later policies say more, as trained ones do."""
    letters = "abcdefghijklmnoprstuvw"
    length = max(5, round(chance.gauss(words, 6)))
    return " ".join("".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(length)).capitalize() + "."


def count() -> dict[str, object]:
    """Counted judgements per item, as {how many: of how many items}, and how many in all."""
    from collections import Counter

    from comparisons.models import Item, Rating

    per_item = Counter(Rating.objects.counted().values_list("assignment__item", flat=True))
    spread = Counter(per_item[pk] for pk in Item.objects.comparisons().values_list("pk", flat=True))
    return {"ratings": Rating.objects.counted().count(), "per_item": dict(spread)}


def sides() -> dict[str, bool]:
    """Token of every assignment -> whether the policy of the item's pair that was made first stood on the left."""
    from comparisons.models import Assignment

    rows = Assignment.objects.values_list(
        "token", "first_is_a", "item__first__contender", "item__second__contender"
    ).iterator()
    return {token: first_is_a == (first < second) for token, first_is_a, first, second in rows}


def secrets() -> dict[str, list[str]]:
    """What must not reach an annotator, and every address of the application, filled with guesses."""
    from comparisons.models import Study
    from training.models import Policy

    known = ["kanarie", "c0ffee", *(str(policy.pk) for policy in Policy.objects.all())]
    return {"secrets": known, "addresses": addresses(Study.objects.get().slug, str(FIRST_ID))}


def addresses(slug: str, number: str, patterns: Any = None, prefix: str = "") -> list[str]:
    """Every address outside Django's admin, its parts replaced by a slug or a number that exist."""
    from django.urls import URLResolver, get_resolver

    found: list[str] = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += [] if route.startswith("admin/") else addresses(slug, number, pattern.url_patterns, route)
        elif route != "logout/":
            filled = re.sub(r"<int:\w+>", number, re.sub(r"<uuid:\w+>", str(uuid.UUID(int=1)), route))
            found.append("/" + re.sub(r"<[\w:]+>", slug, filled))
    return found


TOLD = {"--count": count, "--sides": sides, "--secrets": secrets}


if __name__ == "__main__":
    main(sys.argv[1:])
