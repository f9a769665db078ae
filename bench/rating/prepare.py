"""`python -m bench.rating.prepare ITEMS K RATERS`: a study that is open for rating, and people who rate it.

Answers come from the demo world's phrasing: the true one and a wrong, longer one, so that the policies differ in
length as real ones do. Prints nothing. Also `python -m bench.rating.prepare --count`: what became of the ratings.
"""

from __future__ import annotations

import json
import os
import random
import sys

PASSWORD = "a long password for measuring"


def main(arguments: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")
    import django

    django.setup()
    if arguments == ["--count"]:
        print(json.dumps(count()))
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

    from comparisons import pairing
    from comparisons.creation import create_study
    from comparisons.models import Answer, Study
    from comparisons.suites import create_suite
    from training.models import Policy, PolicyKind

    prompts = -(-items // 6)
    policies = [
        Policy.objects.create(
            name=f"Measured policy {n}", kind=PolicyKind.BASE, served_name=f"measured-{n}", digest=f"{n:064x}"
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
    pairing.open_study(study)
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


if __name__ == "__main__":
    main(sys.argv[1:])
