"""Which answers meet: pairs of policies by the study's rule, prompts evenly, each meeting once, its chance stored."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from comparisons.drawing import open_study
from comparisons.models import Answer, Item, Study
from comparisons.pairing import Stock, balanced, by
from tests.comparisons.answered_studies import answered_study, pairs_of
from tests.comparisons.rating_factories import rewrite

pytestmark = pytest.mark.django_db


def opened(**fields) -> Study:
    study = answered_study(**fields)
    open_study(study)
    study.refresh_from_db()
    assert study.state == "open"
    return study


def uses_of(study: Study) -> Counter[int]:
    """Prompt -> usable items on it."""
    return Counter(study.items.comparisons().values_list("prompt", flat=True))


def prefilled(study: Study, number: int, rule=balanced) -> None:
    """Store `number` more items, as a later batch does."""
    stock = Stock.of(study)
    Item.objects.bulk_create(stock.draw(number, random.Random(number), rule))


@pytest.mark.parametrize("selection", ["balanced", "uniform"])
def test_the_chance_of_a_pair_is_one_among_all_pairs(selection: str):
    """4 policies make 6 pairs."""
    study = opened(policies=4, item_limit=30, design={"selection": selection})
    assert study.items.count() == 30
    assert set(study.items.values_list("propensity", flat=True)) == {1 / 6}


def test_balanced_pairs_differ_by_one_item_at_most():
    """32 items over 6 pairs: two pairs with 6, four with 5."""
    study = opened(policies=4, item_limit=32)
    assert sorted(Counter(pairs_of(study)).values()) == [5, 5, 5, 5, 6, 6]


def test_uniform_pairs_come_by_chance():
    """600 items over 3 pairs: 200 ± 4·11.5 each (binomial, four standard deviations), and not exactly 200."""
    study = opened(prompts=300, item_limit=600, design={"selection": "uniform"})
    counts = sorted(Counter(pairs_of(study)).values())
    assert counts[0] > 154
    assert counts[-1] < 246
    assert counts != [200, 200, 200]


@pytest.mark.parametrize("selection", ["balanced", "uniform"])
def test_a_limit_is_spread_over_the_prompts(selection: str):
    """50 items on 20 prompts: each prompt two or three times."""
    study = opened(policies=5, item_limit=50, design={"selection": selection})
    assert sorted(Counter(uses_of(study).values()).items()) == [(2, 10), (3, 10)]


def test_prompts_stay_evenly_used_over_batches():
    """15 + 15 + 10 items on 20 prompts: each exactly twice."""
    study = opened(policies=5, item_limit=15)
    prefilled(study, 15)
    prefilled(study, 10)
    assert set(uses_of(study).values()) == {2}


def test_two_answers_meet_once_however_many_batches():
    study = opened(policies=3, prompts=10, item_limit=8)
    prefilled(study, 9)
    prefilled(study, 100)
    meetings = Counter(frozenset(meeting) for meeting in study.items.values_list("first", "second"))
    assert len(meetings) == 30
    assert set(meetings.values()) == {1}
    assert list(study.items.order_by("position").values_list("position", flat=True)) == list(range(30))


def test_given_chances_are_followed_and_stored():
    """Chances 0.6, 0.3, 0.1 in 500 draws: within four standard deviations (11, 10.2, 6.7) of 300, 150, 50."""
    study = answered_study(prompts=600)
    stock = Stock.of(study)
    items = stock.draw(500, random.Random(1), by(np.array([0.6, 0.3, 0.1])))
    counts = Counter(round(item.propensity, 6) for item in items)
    assert abs(counts[0.6] - 300) < 44
    assert abs(counts[0.3] - 150) < 41
    assert abs(counts[0.1] - 50) < 27
    assert list(stock.given) == [counts[0.6], counts[0.3], counts[0.1]]


def test_the_chance_of_a_pair_without_prompts_goes_to_the_others():
    """The first pair ends after 10 prompts; then 0.2 and 0.2 become a half each."""
    items = Stock.of(answered_study(prompts=10)).draw(24, random.Random(1), by(np.array([0.6, 0.2, 0.2])))
    assert {round(item.propensity, 6) for item in items} == {0.6, 0.2, 0.5}


def test_the_seed_fixes_everything_and_another_seed_changes_it():
    study = answered_study(item_limit=20, seed=7)
    orders = []
    for seed in (7, 7, 8):
        study.seed = seed
        Study.objects.filter(pk=study.pk).update(state="generating", seed=seed)
        open_study(study)
        orders.append(list(study.items.order_by("position").values_list("first", "second")))
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_what_is_set_aside_costs_no_place_and_its_pair_goes_on():
    """Both answers to half of the prompts are the same: 10 usable items of one pair, 10 set aside on the way."""
    study = answered_study(policies=2)
    rewrite(Answer.objects.filter(prompt__position__lt=10), text="The same.")
    open_study(study)
    assert study.items.comparisons().count() == 10
    assert study.items.filter(quarantine="Identical answers").count() == 10


def test_an_informed_study_opens_with_thirty_percent_drawn_evenly():
    """100 items: 30 of them at first, 10 of each pair, each with chance 1/3."""
    study = opened(prompts=60, item_limit=100, design={"selection": "informed"})
    assert sorted(Counter(pairs_of(study)).values()) == [10, 10, 10]
    assert set(study.items.values_list("propensity", flat=True)) == {1 / 3}


def test_an_informed_study_opens_with_ten_of_each_pair_and_never_with_more_than_its_limit():
    """6 pairs: 60 items rather than 30 % of 150; but 40 where 40 is the limit."""
    assert opened(policies=4, item_limit=150, design={"selection": "informed"}).items.count() == 60
    assert opened(policies=4, item_limit=40, design={"selection": "informed"}).items.count() == 40


def test_an_answer_that_two_suites_share_is_compared_once():
    """Both suites hold the same prompt; the study asks it of either, and compares it once."""
    study = answered_study(policies=2, prompts=1)
    other = answered_study(policies=2, prompts=1).suites.get()
    study.suites.add(other)
    open_study(study)
    assert study.items.count() == 1
