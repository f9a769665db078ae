"""The stop rule: when it pauses a study, that it acts once, and what people may do afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from comparisons import stopping
from comparisons.drawing import draw_where_due, open_study
from comparisons.models import Study, StudyState
from comparisons.stopping import Seen, look, paused_by_rule, seen, stop_where_due
from comparisons.studies import ExtensionRefused, extend, move
from comparisons.tasks import tend_open_studies
from tests.comparisons.answered_studies import answered_study, by_strength, rate_in_bulk
from tests.comparisons.rating_factories import make_rater, make_study
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def rated(items: int = 120, **design) -> Study:
    """Two policies of equal strength, as many judgements as items, all by one person."""
    values = {"stop_width": 0.3, "stop_votes": 30} | design
    study = answered_study(policies=2, prompts=200, item_limit=items, design=values)
    open_study(study)
    study.refresh_from_db()
    rate_in_bulk(study, make_rater(), by_strength(study, 0, 0))
    return study


def state_of(study: Study) -> str:
    study.refresh_from_db()
    return study.state


# --- The rule ---------------------------------------------------------------------------------------------------------


def test_a_study_pauses_when_every_interval_is_narrow_and_says_with_which_votes():
    """120 votes near one half: the interval is about 2 · 1.98 · √(0.25 / 120) = 0.18 wide."""
    study = rated()
    stop_where_due()
    assert state_of(study) == StudyState.PAUSED
    entry = paused_by_rule(study)
    assert entry is not None
    assert entry.actor is None
    assert (entry.detail["votes"], entry.detail["narrower_than"]) == (120, 0.3)
    assert 0.15 < entry.detail["widest"] < 0.21


def test_it_goes_on_while_an_interval_is_wider():
    study = rated(stop_width=0.15)
    stop_where_due()
    assert state_of(study) == StudyState.OPEN


def test_it_goes_on_before_every_pair_has_its_votes():
    """The second and third pair have none, so the first does not count alone."""
    study = rated(stop_votes=121)
    assert not seen(study).met
    three = answered_study(policies=3, prompts=100, item_limit=120, design={"stop_width": 0.9, "stop_votes": 41})
    open_study(three)
    rate_in_bulk(three, make_rater(), by_strength(three, 0, 0, 0))
    assert not seen(three).met


def test_ties_are_votes_and_both_bad_judgements_are_none():
    study = answered_study(policies=2, prompts=100, item_limit=80, design={"stop_width": 0.9, "stop_votes": 41})
    open_study(study)
    said = iter(["a", "b", "tie", "both_bad"] * 20)
    rate_in_bulk(study, make_rater(), lambda _: next(said))
    assert (seen(study).met, seen(study).votes) == (True, 60)


def test_raters_whom_the_study_leaves_out_count_for_nothing():
    """Everybody here is quicker than 20 seconds, so no vote is left."""
    assert not seen(rated(exclusion={"median_seconds": 20.0})).met
    assert seen(rated(exclusion={"median_seconds": 5.0})).met


def test_a_study_without_a_rule_goes_on():
    study = rated(stop_width=None)
    stop_where_due()
    assert state_of(study) == StudyState.OPEN


def test_the_rule_acts_once(client: Client):
    study = rated()
    stop_where_due()
    assert move(study, "reopen", make_user())
    Study.objects.update(rule_looked_at=None)
    stop_where_due()
    assert state_of(study) == StudyState.OPEN
    assert paused_by_rule(study) is None


def test_votes_are_looked_at_once_a_minute_and_only_when_somebody_has_judged(monkeypatch: pytest.MonkeyPatch):
    study = rated(stop_width=0.15)
    looks: list[Study] = []

    def seen(study: Study) -> Seen:
        looks.append(study)
        return Seen(0, 0)

    monkeypatch.setattr(stopping, "seen", seen)
    stop_where_due()
    stop_where_due()
    assert len(looks) == 1
    later = timezone.now() + timedelta(minutes=3)
    Study.objects.update(rule_looked_at=later)
    study.refresh_from_db()
    look(study)
    assert len(looks) == 1


def test_one_study_that_fails_does_not_keep_others_from_their_rule(monkeypatch: pytest.MonkeyPatch):
    broken, good = rated(), rated()
    find = stopping.seen

    def fail_once(study: Study):
        if study.pk == broken.pk:
            raise RuntimeError("broken")
        return find(study)

    monkeypatch.setattr(stopping, "seen", fail_once)
    tend_open_studies()
    assert (state_of(broken), state_of(good)) == (StudyState.OPEN, StudyState.PAUSED)


def test_the_page_of_the_study_tells_why_it_paused(client: Client):
    study = rated()
    stop_where_due()
    client.force_login(make_user())
    page = client.get(study.get_absolute_url()).content.decode()
    assert "The stop rule is met" in page
    assert "With 120 votes the widest interval of a win rate is" in page
    assert "narrower than 30 %" in page
    move(study, "reopen")
    assert "The stop rule is met" not in client.get(study.get_absolute_url()).content.decode()


# --- Extending --------------------------------------------------------------------------------------------------------


def test_more_items_come_from_the_answers_that_are_there():
    study, user = rated(items=20), make_user()
    extend(study, user, item_limit=35)
    draw_where_due()
    assert study.items.comparisons().count() == 35
    entry = study.audit.get(verb="extended")
    assert (entry.actor, entry.detail) == (user, {"item_limit": [20, 35]})


def test_all_items_that_the_answers_give_can_be_asked_for():
    study = rated(items=20)
    extend(study, None, item_limit=0)
    draw_where_due()
    assert study.items.comparisons().count() == 200


def test_more_ratings_per_item_open_places_on_the_items_that_are_there():
    study = rated(items=20)
    extend(study, make_user(), ratings_per_item=3)
    study.refresh_from_db()
    assert rate_in_bulk(study, make_rater(), lambda _: "a") == 20
    assert study.items.count() == 20


def test_a_study_that_its_rule_paused_is_open_again_when_it_is_extended():
    study = rated()
    stop_where_due()
    assert extend(study, make_user(), item_limit=150).state == StudyState.OPEN
    assert study.audit.get(verb="extended").detail == {"item_limit": [120, 150], "reopened": True}
    tend_open_studies()
    assert state_of(study) == StudyState.OPEN
    assert study.items.comparisons().count() == 150


def test_a_study_that_a_person_paused_stays_paused_when_it_is_extended():
    study = rated(items=20)
    move(study, "pause", make_user())
    assert extend(study, make_user(), item_limit=30).state == StudyState.PAUSED


@pytest.mark.parametrize(
    "state, asked, told",
    [
        ("closed", {"item_limit": 30}, "The study is closed. Only an open or paused study can be extended."),
        ("generating", {"item_limit": 30}, "The study is generating answers."),
        ("open", {}, "The study has that already."),
        ("open", {"item_limit": 20, "ratings_per_item": 2}, "The study has that already."),
        ("open", {"item_limit": 10}, "The study has 20 items. It can be extended, not cut short"),
        ("open", {"ratings_per_item": 1}, "The study asks for 2 ratings per item. It can be extended"),
    ],
)
def test_what_is_no_extension_is_refused_in_words(state: str, asked: dict, told: str):
    study = make_study(items=2, state=state, item_limit=20, ratings_per_item=2)
    with pytest.raises(ExtensionRefused, match=told):
        extend(study, make_user(), **asked)
    assert not study.audit.exists()


def test_nothing_is_more_than_all():
    study = make_study(items=2)
    with pytest.raises(ExtensionRefused, match="all items that its answers give"):
        extend(study, make_user(), item_limit=50)


def test_a_study_of_written_prompts_has_no_number_of_items_to_raise():
    study = make_study(items=2, kind="adversarial", item_limit=5)
    with pytest.raises(ExtensionRefused, match="come from what raters write"):
        extend(study, make_user(), item_limit=50)


def test_while_the_rule_waits_the_page_says_for_which_pairs(client: Client):
    """The only pair's interval is 0.18 wide, and 0.15 is asked for; before 200 votes nothing is estimated."""
    study = rated(stop_width=0.15)
    client.force_login(make_user())
    assert "The stop rule waits" not in client.get(study.get_absolute_url()).content.decode()
    stop_where_due()
    told = " ".join(client.get(study.get_absolute_url()).content.decode().split())
    assert "waits for 1 pair whose interval is not narrower than 15 % yet" in told
    few = rated(stop_votes=200)
    stop_where_due()
    told = " ".join(client.get(few.get_absolute_url()).content.decode().split())
    assert "waits until every pair of policies has 200 votes; the fewest are 120" in told
