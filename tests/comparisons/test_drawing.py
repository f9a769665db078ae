"""Further items while people rate: when, how many, of which pairs, and never more than the study may have."""

from __future__ import annotations

from collections import Counter

import pytest

from comparisons import drawing
from comparisons.drawing import draw_more, draw_where_due, is_short, open_study, store
from comparisons.models import Item, Study, StudyState
from comparisons.pairing import Stock, balanced, chance_of
from tests.comparisons.answered_studies import answered_study, by_strength, pairs_of, rate_in_bulk
from tests.comparisons.rating_factories import make_rater, make_study

pytestmark = pytest.mark.django_db


def opened(**fields) -> Study:
    study = answered_study(**fields)
    open_study(study)
    study.refresh_from_db()
    return study


def informed(**fields) -> Study:
    """Four policies, six pairs: 60 items of 200 at first."""
    values = {"policies": 4, "prompts": 60, "item_limit": 200, "design": {"selection": "informed"}}
    return opened(**(values | fields))


# --- When -------------------------------------------------------------------------------------------------------------


def test_a_study_that_has_its_items_gets_no_more():
    study = opened(item_limit=20)
    assert draw_more(study) == 0
    assert study.items.count() == 20


def test_the_next_batch_comes_when_somebody_has_few_items_left():
    """60 items at first. FEW + 2 for the one who rates: at 11 left the next batch of 20 comes, at 12 not yet."""
    study = informed()
    hide = study.items.filter(position__gte=48)
    hide.update(quarantine="Not yet")
    rate_in_bulk(study, make_rater(), lambda _: "a")
    hide.update(quarantine="")
    assert not is_short(study)
    assert draw_more(study) == 0
    hide.filter(position=48).update(held=1)
    assert is_short(study)
    assert draw_more(study) == 20
    assert study.items.count() == 80


def test_who_has_seen_everything_gets_more_although_others_have_not():
    """With three ratings per item two places of each are still free when the only rater has judged all."""
    study = informed(ratings_per_item=3)
    assert rate_in_bulk(study, make_rater(), lambda _: "a") == 60
    assert study.items.filter(held__lt=3).count() == 60
    assert draw_more(study) == 20


def test_a_study_that_is_not_open_gets_none():
    study = informed()
    rate_in_bulk(study, make_rater(), lambda _: "a")
    Study.objects.update(state=StudyState.PAUSED)
    draw_where_due()
    assert study.items.count() == 60


def test_a_study_that_raters_write_the_prompts_of_is_left_alone():
    study = make_study(items=2, kind="adversarial")
    draw_where_due()
    assert study.items.count() == 2


def test_one_study_that_fails_does_not_keep_others_from_their_items(monkeypatch: pytest.MonkeyPatch):
    broken, good = opened(item_limit=10), opened(item_limit=10)
    Study.objects.update(item_limit=15)
    draw = drawing.draw_more

    def fail_once(study: Study) -> int:
        if study.pk == broken.pk:
            raise RuntimeError("broken")
        return draw(study)

    monkeypatch.setattr(drawing, "draw_more", fail_once)
    draw_where_due()
    assert (broken.items.count(), good.items.count()) == (10, 15)


# --- How many ---------------------------------------------------------------------------------------------------------


def rated_to_its_end(study: Study, strengths: tuple[float, ...] = (0, 0, 0, 0)) -> Study:
    """Judged by one person for as long as items come."""
    rater, choose = make_rater(), by_strength(study, *strengths)
    while rate_in_bulk(study, rater, choose):
        draw_more(study)
    return study


def test_batches_end_exactly_at_the_limit():
    """60, then batches of 20; the last one of 200 - 60 - 6 · 20 = 20."""
    study = rated_to_its_end(informed())
    assert study.items.count() == 200
    drawn = [entry.detail["items"] for entry in study.audit.filter(verb="drawn")]
    assert drawn == [20] * 7


def test_batches_end_with_the_prompts_where_these_are_fewer():
    """6 pairs on 15 prompts are 90 items, whatever the limit."""
    study = rated_to_its_end(informed(prompts=15))
    assert study.items.count() == 90


def test_a_raised_limit_is_filled_with_the_pairs_that_have_least():
    """10 items over 3 pairs are 4, 3, 3; 5 more make 5, 5, 5."""
    study = opened(item_limit=10)
    Study.objects.update(item_limit=15)
    draw_where_due()
    assert sorted(Counter(pairs_of(study)).values()) == [5, 5, 5]


def test_an_item_that_was_set_aside_later_is_replaced():
    study = opened(item_limit=10)
    Item.objects.filter(position=3).update(quarantine="Reported")
    assert draw_more(study) == 1
    assert study.items.comparisons().count() == 10


def test_what_was_drawn_from_rows_that_have_changed_is_not_stored():
    """Two workers draw at the same moment; the second finds the items of the first."""
    study = opened(item_limit=10)
    Study.objects.update(item_limit=15)
    study.refresh_from_db()
    batches = []
    for _ in range(2):
        stock = Stock.of(study)
        batches.append((stock, stock.draw(5, chance_of(stock), balanced)))
    assert [store(*batch) for batch in batches] == [5, 0]
    assert study.items.count() == 15


@pytest.mark.parametrize("change", [{"state": "closed"}, {"state": "paused"}, {"item_limit": 11}])
def test_what_was_drawn_for_a_study_that_has_changed_is_not_stored(change: dict):
    study = opened(item_limit=10)
    Study.objects.update(item_limit=15)
    study.refresh_from_db()
    stock = Stock.of(study)
    items = stock.draw(5, chance_of(stock), balanced)
    Study.objects.update(**change)
    assert store(stock, items) == 0
    assert study.items.count() == 10


# --- Of which pairs ---------------------------------------------------------------------------------------------------


def test_pairs_that_are_hard_to_tell_apart_come_more_often():
    """Two policies are alike, the others far apart: the alike pair gets clearly more items than the clearest one."""
    study = rated_to_its_end(informed(), strengths=(0.0, 0.0, 4.0, 8.0))
    counts = Counter(pairs_of(study))
    one, other, _, last = study.contenders.values_list("pk", flat=True)
    assert counts[one, other] > 1.3 * counts[one, last]


def test_every_item_keeps_its_chance_and_no_pair_falls_below_its_even_share():
    """6 pairs: 1/6 at first; later at least 0.3 / 6 = 0.05 and not the same for all."""
    study = rated_to_its_end(informed(), strengths=(0.0, 0.0, 4.0, 8.0))
    chances = list(study.items.order_by("position").values_list("propensity", flat=True))
    assert set(chances[:60]) == {1 / 6}
    assert min(chances) >= 0.05 - 1e-9
    assert len({round(chance, 6) for chance in chances[60:]}) > 6


def test_a_larger_even_share_brings_chances_together():
    spread = []
    for share in (0.3, 0.9):
        study = informed(design={"selection": "informed", "uniform_share": share})
        rated_to_its_end(study, strengths=(0.0, 0.0, 4.0, 8.0))
        chances = study.items.values_list("propensity", flat=True)
        spread.append(max(chances) - min(chances))
    assert spread[1] < spread[0] / 3


def test_the_same_votes_and_seed_draw_the_same_batch():
    study = informed(seed=5)
    rate_in_bulk(study, make_rater(), by_strength(study, 0, 1, 2, 3))
    batches = []
    for _ in range(2):
        assert draw_more(study) == 20
        batch = study.items.filter(position__gte=60)
        batches.append(list(batch.order_by("position").values_list("first", "second", "propensity")))
        batch.delete()
    assert batches[0] == batches[1]


def test_prompts_stay_evenly_used_while_pairs_do_not():
    """200 items on 60 prompts: three or four each."""
    study = rated_to_its_end(informed(), strengths=(0.0, 0.0, 4.0, 8.0))
    uses = Counter(study.items.values_list("prompt", flat=True))
    assert set(uses.values()) == {3, 4}
