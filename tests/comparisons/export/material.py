"""Closed studies with judgements that are written down in the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from alignapp.accounts.models import User
from comparisons.models import Assignment, AssignmentState, Choice, Item, Rating, Study, StudyState, Verdict
from tests.comparisons.rating_factories import make_rater, make_study
from tests.factories import make_policy

CHOICES = {"tie": Choice.TIE, "bad": Choice.BOTH_BAD, "skip": Choice.SKIP}


def study_with(said: Sequence[Sequence[str]], **fields: Any) -> Study:
    """A closed study with one item per entry: what rater 0, 1, … said of it, first, second, tie, bad or skip.

    An empty string: this rater did not see the item.
    """
    study = make_study(
        items=len(said), ratings_per_item=max((len(one) for one in said), default=1), state=StudyState.CLOSED, **fields
    )
    raters = [make_rater() for _ in range(max((len(one) for one in said), default=0))]
    for item, words in zip(study.items.order_by("position"), said, strict=True):
        for rater, word in zip(raters, words, strict=False):
            if word:
                say(item, rater, word)
    return study


def say(item: Item, rater: User, word: str, *, first_is_a: bool = True, strength: int = 0) -> Rating:
    """One judgement, without asking whether the rater may."""
    now = timezone.now()
    state = AssignmentState.SKIPPED if word == "skip" else AssignmentState.DONE
    place = {"item": item, "rater": rater, "first_is_a": first_is_a, "state": state, "lease_until": now}
    assignment = Assignment.objects.create(**place, shown_at=now)
    choice = CHOICES.get(word) or (Choice.A if (word == "first") == first_is_a else Choice.B)
    guideline = item.study.current_guideline
    values = {"revision": 1, "choice": choice, "strength": strength, "seconds": 5.0, "guideline": guideline}
    return assignment.ratings.create(**values)


def three_policies(said: Mapping[tuple[int, int], str], prompts: int = 1) -> Study:
    """A closed study of three policies on one prompt after another; one rater `said` that of (first, second policy).

    Its answers read "answer <prompt> of <policy>".
    """
    study = make_study(
        items=3 * prompts, policies=[make_policy(), make_policy(), make_policy()], state=StudyState.CLOSED
    )
    rater = make_rater()
    for item in study.items.order_by("position"):
        pair = int(item.first.text[-1]), int(item.second.text[-1])
        if word := said.get(pair):
            say(item, rater, word)
    return study


def adjudicate(item: Item, verdict: Verdict) -> None:
    item.adjudications.create(adjudicator=make_rater(), verdict=verdict)
