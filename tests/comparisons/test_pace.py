"""How fast judgements come in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from comparisons.models import Rating
from comparisons.pace import busy_hours, by_hour, pace_of, worked_seconds
from tests.comparisons.rating_factories import judge_all, make_rater, make_study

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_hours_without_a_judgement_are_shown_as_zero():
    times = [NOON + timedelta(minutes=minutes) for minutes in (1, 2, 130)]
    assert [count for _, count in by_hour(times)] == [2, 0, 1]
    assert by_hour([]) == ()


def test_a_long_gap_is_no_work():
    """Two minutes, a gap of an hour, one minute: 3 / 60 of an hour."""
    times = [NOON + timedelta(minutes=minutes) for minutes in (0, 2, 62, 63)]
    assert busy_hours(times) == pytest.approx(3 / 60)


def test_an_item_left_open_counts_five_minutes_at_most():
    assert worked_seconds([(1, NOON, 20.0), (1, NOON, 9000.0), (2, NOON, 5.0)]) == {1: 320.0, 2: 5.0}


@pytest.mark.django_db
def test_the_pace_tells_hours_cost_and_when_it_will_be_done():
    """10 judgements of 36 s are 0.1 h, at 20 an hour cost 2; 5 more at 10 a day take half a day."""
    study = make_study(items=10, design={"hourly_pay": 20})
    judge_all(study, make_rater(), lambda _: "a")
    Rating.objects.update(seconds=36)
    pace = pace_of(study, missing=5)
    assert pace.last_day == 10
    assert [pace.worked, pace.cost] == pytest.approx([0.1, 2.0])
    assert pace.finished_at is not None
    assert pace.finished_at - timezone.now() == pytest.approx(timedelta(hours=12), abs=timedelta(minutes=1))


@pytest.mark.django_db
def test_without_judgements_nothing_is_foretold():
    pace = pace_of(make_study(items=1), missing=1)
    assert (pace.last_day, pace.per_hour, pace.finished_at) == (0, None, None)
