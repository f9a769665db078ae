"""How fast judgements come in, and what they cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from comparisons import assignment as assigning
from comparisons.models import Assignment, ItemKind, Rating, Study
from comparisons.pace import active_raters, bars, by_hour, pace_of, time_spent
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, rewrite, take
from tests.comparisons.test_checks import make_check, rightly

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)


def judged(study: Study, *at: datetime) -> None:
    """Move the judgements of a study to these times."""
    for pk, moment in zip(Rating.objects.order_by("id").values_list("pk", flat=True), at, strict=True):
        rewrite(Rating.objects.filter(pk=pk), created_at=moment)


def test_hours_without_a_judgement_are_shown_as_zero_and_old_ones_are_not():
    study = make_study(items=4)
    judge_all(study, make_rater(), lambda _: "a")
    hour = NOW.replace(minute=0)
    judged(study, *(hour - timedelta(hours=hours) for hours in (200, 2, 2, 0)))
    assert by_hour(study, NOW) == [(hour - timedelta(hours=2), 2), (hour - timedelta(hours=1), 0), (hour, 1)]
    assert by_hour(make_study(items=1), NOW) == []


def test_the_busiest_hour_is_as_high_as_the_picture_and_the_latest_stands_at_its_right_edge():
    """48 hours on 480: ten each. Half as many are half as high."""
    one, other = bars(((NOW - timedelta(hours=1), 4), (NOW, 2)))
    assert (one.height, other.height, other.y) == (60, 30, 30)
    assert (one.x, other.x, other.width) == (460, 470, 8)
    assert bars(()) == []


def test_an_item_left_open_counts_five_minutes_at_most():
    study = make_study(items=2)
    judge_all(study, make_rater(), lambda _: "a")
    first, second = Rating.objects.order_by("id")
    rewrite(Rating.objects.filter(pk=first.pk), seconds=20)
    rewrite(Rating.objects.filter(pk=second.pk), seconds=9000)
    assert time_spent(Rating.objects.all()) == timedelta(seconds=320)


def test_the_pace_tells_hours_cost_and_when_it_will_be_done():
    """10 judgements of 36 s are 0.1 h, at 20 an hour cost 2, 100 an hour; 5 more at 10 a day take half a day."""
    opened = timezone.now() - timedelta(days=9)
    study = make_study(items=10, design={"hourly_pay": 20}, opened_at=opened)
    judge_all(study, make_rater(), lambda _: "a")
    rewrite(Rating.objects.all(), seconds=36)
    pace = pace_of(study, missing=5)
    assert pace.last_day == 10
    assert [pace.worked, pace.cost, pace.per_hour] == pytest.approx([0.1, 2.0, 100])
    assert pace.finished_at is not None
    assert pace.finished_at - timezone.now() == pytest.approx(timedelta(hours=12), abs=timedelta(minutes=1))


def test_a_study_that_opened_lately_is_done_at_the_pace_since_then():
    """10 judgements in the first two hours: 5 more take one."""
    study = make_study(items=10, opened_at=timezone.now() - timedelta(hours=2))
    judge_all(study, make_rater(), lambda _: "a")
    finished = pace_of(study, missing=5).finished_at
    assert finished is not None
    assert finished - timezone.now() == pytest.approx(timedelta(hours=1), abs=timedelta(minutes=1))


def test_all_work_is_paid():
    """Training, gold, a skip, what was taken back and what came too late: 5 times 36 s beside one that counts."""
    study, rater = make_study(items=3, design={"hourly_pay": 100}), make_rater()
    make_check(study, ItemKind.TRAINING)
    gold = make_check(study, ItemKind.GOLD)
    assigning.submit(take(rater), rightly(take(rater)), 1)
    assigning.submit(take(rater), "skip", 1)
    taken_back = take(rater)
    assigning.submit(taken_back, "a", 1)
    assigning.undo(taken_back, 1)
    assigning.submit(taken_back, "b", 3)
    until = timezone.now() + timedelta(hours=1)
    for item, state in ((gold, "open"), (study.items.get(position=2), "expired")):
        given = Assignment.objects.create(item=item, rater=rater, first_is_a=True, lease_until=until, state=state)
        if state == "expired":
            Study.objects.update(state="closed")
        assigning.submit(given, "a", 1)
    rewrite(Rating.objects.all(), seconds=36)
    assert Rating.objects.counted().count() == 1
    assert pace_of(study, missing=0).cost == pytest.approx(100 * 6 * 36 / 3600)


def test_without_judgements_nothing_is_foretold():
    pace = pace_of(make_study(items=1), missing=1)
    assert (pace.last_day, pace.per_hour, pace.finished_at) == (0, None, None)


def test_who_has_an_item_on_their_screen_is_rating_now():
    study, rater = make_study(items=3), make_rater()
    current = take(rater)
    assigning.fetch_ahead(rater, current)
    assigning.fetch_ahead(make_rater(), current)  # nothing is shown to this one yet
    assert active_raters(study) == 1
