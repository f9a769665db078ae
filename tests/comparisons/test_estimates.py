"""What a study would ask for, and what earlier judgements tell of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from comparisons.design import Design
from comparisons.estimates import Estimate, Experience, experience
from comparisons.models import Assignment, Rating
from comparisons.statistics.planning import Assumptions, expected_reach, plan_for_half_width
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, rewrite


def estimate(
    policies: int = 4, prompts: int = 50, item_limit: int = 0, ratings_per_item: int = 2, checks: int = 100, **design
) -> Estimate:
    rules = Design(**design)
    return Estimate(policies, prompts, item_limit, ratings_per_item, rules, Experience(), raters=10, checks=checks)


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


@pytest.mark.parametrize("checks, extra", [(0, 0), (3, 30), (100, 67)])
def test_no_more_checks_are_expected_than_there_are(checks: int, extra: int):
    """600 ratings of 10 people at 10 % checks: 66.7 on top, but each person sees a check once: 3 make 30 at most."""
    assert estimate(check_share=0.1, checks=checks).extra == extra


# --- Precision --------------------------------------------------------------------------------------------------------


def test_the_precision_is_that_of_the_votes_of_a_pair():
    """100 ratings of each pair, of which 20 % are both bad: 80 votes."""
    found = replace(estimate(), experience=Experience(both_bad=0.2, ties=0.1, judgements=500))
    assert found.half_width == expected_reach(80, Assumptions(policies=4, per_item=2, raters=10, ties=0.1))


def test_what_is_measured_takes_the_place_of_guesses():
    found = replace(estimate(), experience=Experience(ties=0.3, judgements=500, rater_part=0.05, prompt_part=0.2))
    assumed = found.assumptions
    assert (assumed.ties, assumed.rater_part, assumed.prompt_part) == (0.3, 0.05, 0.2)
    guessed = estimate().assumptions
    assert (guessed.ties, guessed.rater_part, guessed.prompt_part) == (0.2, 0.02, 0.1)
    assert estimate(ties=False).assumptions.ties == 0.0


def test_a_wanted_precision_says_how_many_items_it_takes():
    """Of 20 % both-bad judgements there is no vote: the plan's items over 0.8."""
    found = replace(estimate(prompts=5000), experience=Experience(both_bad=0.2, ties=0.1, judgements=500))
    needed, plan = found.needed(0.06), plan_for_half_width(0.06, found.assumptions)
    assert plan.items is not None
    assert needed.is_possible
    assert needed.items is not None
    assert plan.items / 0.8 <= needed.items < plan.items / 0.8 + 1
    reached = replace(found, item_limit=needed.items).half_width
    assert reached is not None
    assert reached <= 0.06


def test_a_precision_beyond_the_prompts_is_told():
    needed = estimate(prompts=5).needed(0.05)
    assert not needed.is_possible
    assert needed.items is not None


def test_a_precision_that_no_number_of_votes_reaches_names_the_raters_it_takes():
    """What five raters have in common stays, however much they rate."""
    needed = replace(estimate(), raters=5).needed(0.02)
    assert (needed.items, needed.is_possible) == (None, False)
    assert needed.raters > 5


# --- Experience -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_everything_is_a_guess_while_judgements_are_few():
    judge_all(make_study(items=19), make_rater(), lambda _: "a")
    assert experience() == Experience(20.0, 0.0, 0.0, 0)


@pytest.mark.django_db
def test_time_is_the_mean_of_judgements_and_absences_count_five_minutes():
    """10 of 8 s, 9 of 16 s and one of an hour, which counts 300 s: (80 + 144 + 300) / 20 = 26.2 s; 5 of 20 are ties."""
    said = iter(["tie"] * 5 + ["both_bad"] * 2 + ["a"] * 13)
    judge_all(make_study(items=20), make_rater(), lambda _: next(said))
    rows = list(Rating.objects.order_by("pk"))
    for row, seconds in zip(rows, [8.0] * 10 + [16.0] * 9 + [3600.0], strict=True):
        rewrite(Rating.objects.filter(pk=row.pk), seconds=seconds)
    found = experience()
    assert found.seconds == pytest.approx(26.2)
    assert (found.ties, found.both_bad, found.judgements) == (0.25, 0.1, 20)
    assert (found.rater_part, found.prompt_part) == (None, None)


def every_third(start: int) -> Callable[[Assignment], str]:
    """A rater who says b of every third item, beginning with another one each."""
    return lambda assignment: "a" if (assignment.item.position + start) % 3 else "b"


@pytest.mark.django_db
def test_the_parts_of_raters_and_prompts_are_measured_where_they_can_be():
    """Five raters judge each of 20 items: 100 votes, 80 of them on items that were judged before."""
    study = make_study(items=20, ratings_per_item=5)
    for number in range(5):
        judge_all(study, make_rater(), every_third(number))
    found = experience()
    assert found.rater_part is not None
    assert found.prompt_part is not None
