"""What raters said of items whose right judgement is known: training, gold, attention checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from alignapp.accounts.models import User

from .models import ItemKind, Rating, Study, Verdict


def outcomes(study: Study, *kinds: ItemKind, rater: User | None = None) -> Iterator[tuple[int, bool]]:
    """(rater id, whether they were right) for every judgement of such items, in the order in which they came."""
    judged = Rating.objects.judged().filter(assignment__item__study=study, assignment__item__kind__in=kinds)
    if rater:
        judged = judged.filter(assignment__rater=rater)
    columns = "assignment__rater", "choice", "assignment__first_is_a", "assignment__item__expected__accepts"
    for rater_id, choice, first_is_a, accepts in judged.order_by("id").values_list(*columns):
        yield rater_id, Verdict.of(choice, first_is_a) in accepts


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a check was judged, and how often rightly."""

    judged: int
    right: int


def tallies(study: Study) -> dict[int, Tally]:
    """Item id -> its tally, for the checks that anybody has judged; says nothing about single raters."""
    judged = Rating.objects.judged().filter(assignment__item__study=study, assignment__item__expected__isnull=False)
    columns = "assignment__item", "choice", "assignment__first_is_a", "assignment__item__expected__accepts"
    said: dict[int, list[bool]] = defaultdict(list)
    for item, choice, first_is_a, accepts in judged.values_list(*columns):
        said[item].append(Verdict.of(choice, first_is_a) in accepts)
    return {item: Tally(len(right), sum(right)) for item, right in said.items()}
