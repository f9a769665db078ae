"""What a round gained: win rates with intervals, on held prompts where there are any."""

from __future__ import annotations

import pytest
from django.conf import settings

from comparisons import campaigns as running
from comparisons.campaigns.gains import gains_of, measured
from comparisons.campaigns.picture import HEIGHT, picture
from tests.comparisons.campaigns.material import make_campaign, make_data, make_suite, train
from tests.comparisons.campaigns.test_steps import again, launched, rated

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)


def test_a_gain_is_measured_on_held_prompts_alone():
    """DPO wins on every measured prompt and loses on every collected one: 12 of 12 votes on the six measured ones."""
    round = make_campaign().rounds.get()
    study = rated(round, winner=0, loses_on="Collected")
    judgements, held = measured(study)
    [found] = gains_of([again(round)])
    dpo = next(gain for gain in found.against_base if gain.policy.method == "dpo")
    assert (held, found.held) == (True, True)
    assert (dpo.rate, dpo.votes) == (1.0, 12)
    assert 0.5 < dpo.low < dpo.high == 1.0
    assert len(judgements) == 6 * 3 * 2
    assert found.best == dpo.policy


def test_without_a_held_suite_all_prompts_measure():
    round = make_campaign(suites=[make_suite("Collected")]).rounds.get()
    rated(round, winner=0)
    [found] = gains_of([again(round)])
    assert not found.held
    assert found.against_base[0].votes == 12


def test_rounds_are_told_until_one_is_open():
    campaign = make_campaign()
    first = campaign.rounds.get()
    rated(first, winner=0)
    make_data(first)
    second = campaign.rounds.get(number=2)
    launched(second)
    train(second)
    running.start_study(again(second), None)
    assert [gain.round.number for gain in gains_of([again(first), again(second)])] == [1]


def test_the_second_round_is_measured_against_the_best_before_too():
    campaign = make_campaign()
    first = campaign.rounds.get()
    rated(first, winner=0)
    make_data(first)
    second = campaign.rounds.get(number=2)
    rated(second, winner=1)
    one, two = gains_of([again(first), again(second)])
    assert one.against_best == []
    assert {gain.opponent for gain in two.against_best} == {one.best}
    assert [gain.policy.method for gain in two.against_best] == ["dpo", "cpo"]
    assert two.earlier == one.best


def test_nobody_is_best_where_nobody_preferred_anything():
    round = make_campaign().rounds.get()
    rated(round, raters=0)
    [found] = gains_of([again(round)])
    assert (found.best, found.all) == (None, [])


def test_the_picture_puts_a_rate_of_one_half_on_its_line_and_rounds_beside_each_other():
    round = make_campaign().rounds.get()
    rated(round, winner=0)
    [found] = gains_of([again(round)])
    drawn = picture([(1, found.against_base), (2, [])])
    assert [tick.text for tick in drawn.x_ticks] == ["1", "2"]
    assert [mark.method for mark in drawn.marks] == ["dpo", "cpo"]
    assert drawn.marks[0].x < drawn.marks[1].x < HEIGHT
    assert drawn.half == next(tick.at for tick in drawn.y_ticks if tick.text == "50")
    assert drawn.marks[0].y < drawn.marks[0].low
    assert (drawn.marks[0].corners, bool(drawn.marks[1].corners)) == ("", True)
