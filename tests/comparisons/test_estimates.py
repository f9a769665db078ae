"""What a study would ask for, and what earlier judgements tell of it."""

from __future__ import annotations

import pytest

from comparisons.design import Design
from comparisons.estimates import Estimate, Pace, pace
from comparisons.models import Rating
from tests.comparisons.rating_factories import judge_all, make_rater, make_study


def estimate(
    policies: int = 4, prompts: int = 50, item_limit: int = 0, ratings_per_item: int = 2, **design
) -> Estimate:
    return Estimate(policies, prompts, item_limit, ratings_per_item, Design(**design), Pace())


def test_the_estimate_counts_pairs_of_policies_on_prompts():
    """4 policies make 6 pairs; on 50 prompts 300 items, 2 ratings each: 600, at 20 s each 200 minutes."""
    found = estimate()
    assert (found.answers, found.items, found.ratings, found.minutes) == (200, 300, 600, 200)
    assert found.ratings_per_pair == 100


def test_a_limit_bounds_the_estimate_only_where_there_are_more_items():
    assert estimate(2, 50, 20, 1).items == 20
    assert estimate(2, 10, 20, 1).items == 10


def test_checks_and_repeats_come_on_top():
    """10 % checks and 10 % repeats: 600 are 80 % of what is shown, so 750; at 20 s and 12 an hour: 4.17 h, 50."""
    found = estimate(check_share=0.1, repeat_share=0.1, hourly_pay=12)
    assert (found.shown, found.extra) == (750, 150)
    assert found.money == pytest.approx(50)


@pytest.mark.django_db
def test_the_pace_is_a_guess_while_judgements_are_few():
    judge_all(make_study(items=19), make_rater(), lambda _: "a")
    assert pace() == Pace(20.0, 0.0, 0.0, 0)


@pytest.mark.django_db
def test_the_pace_is_the_mean_of_judgements_and_absences_count_five_minutes():
    """10 of 8 s, 9 of 16 s and one of an hour, which counts 300 s: (80 + 144 + 300) / 20 = 26.2 s; 5 of 20 are ties."""
    said = iter(["tie"] * 5 + ["both_bad"] * 2 + ["a"] * 13)
    judge_all(make_study(items=20), make_rater(), lambda _: next(said))
    rows = list(Rating.objects.order_by("pk"))
    for row, seconds in zip(rows, [8.0] * 10 + [16.0] * 9 + [3600.0], strict=True):
        Rating.objects.filter(pk=row.pk).update(seconds=seconds)
    found = pace()
    assert found.seconds == pytest.approx(26.2)
    assert (found.ties, found.both_bad, found.judgements) == (0.25, 0.1, 20)
