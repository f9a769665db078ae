"""Why raters skipped items, on the study's page while it runs; and items that a researcher sets aside."""

from __future__ import annotations

from collections import Counter

import pytest
from django.test import Client
from django.urls import reverse

from comparisons import assignment as assigning
from comparisons.drawing import draw_more, open_study
from comparisons.flags import SettingAsideRefused, flags_of, put_back, set_aside
from comparisons.models import Item, ItemKind, Rating, Study
from comparisons.studies import progress_of
from tests.comparisons.answered_studies import answered_study
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, take
from tests.comparisons.test_checks import make_check
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client: Client) -> Client:
    client.force_login(make_user("rita"))
    return client


def skip(item: Item, reason: str) -> None:
    """Somebody gets every item up to this one, and skips this one for a reason."""
    rater = make_rater()
    while (given := take(rater)).item != item:
        assigning.submit(given, "tie", 1)
    assigning.submit(given, "skip", 1, reasons=[reason])


def test_flags_count_reasons_item_by_item_and_what_was_taken_back_not():
    study = make_study(items=2, ratings_per_item=9)
    one, other = study.items.order_by("position")
    skip(one, "not_blind")
    skip(one, "not_blind")
    skip(other, "harmful")
    rater = make_rater()
    given = take(rater)
    assigning.submit(given, "skip", 1, reasons=["harmful"])
    assigning.undo(given, 1)
    assert flags_of(study) == {one.pk: Counter(not_blind=2), other.pk: Counter(harmful=1)}


def test_the_page_of_a_running_study_tells_reasons_and_leads_to_the_items(researcher: Client):
    study = make_study(items=2, ratings_per_item=2)
    item = study.items.get(position=1)
    skip(item, "not_blind")
    page = researcher.get(study.get_absolute_url()).text
    assert '?show=flagged&amp;reason=not_blind#items">An answer tells which system wrote it</a>' in page
    assert "See all 1 item</a>" in page
    table = researcher.get(study.get_absolute_url(), {"show": "flagged"}).text.split('id="items"')[1]
    assert "1 × An answer tells which system wrote it" in table
    assert reverse("study-item-set-aside", args=[study.slug, 2]) in table
    assert reverse("study-item-set-aside", args=[study.slug, 1]) not in table
    for contender in study.contenders.all():
        assert contender.policy.name not in table
    assert "Question 1?" in table
    other = researcher.get(study.get_absolute_url(), {"show": "flagged", "reason": "harmful"}).text
    assert "Nobody skipped an item." in other.split('id="items"')[1]


def test_an_item_that_is_set_aside_is_given_to_nobody_and_counts_nowhere(researcher: Client):
    study = make_study(items=2, ratings_per_item=2)
    judge_all(study, make_rater(), lambda _: "a")
    page = researcher.get(reverse("study-item-set-aside", args=[study.slug, 1])).text
    assert "Set item 1 aside" in page
    for contender in study.contenders.all():
        assert contender.policy.name not in page
    answer = researcher.post(
        reverse("study-item-set-aside", args=[study.slug, 1]), {"reason": "It names <b>its</b> maker."}, follow=True
    )
    assert "Item 1 is set aside." in answer.text
    assert study.items.get(position=0).quarantine == "By hand: It names <b>its</b> maker."
    assert "By hand: It names &lt;b&gt;its" in researcher.get(study.get_absolute_url(), {"show": "set-aside"}).text
    assert Rating.objects.counted().count() == 1
    assert progress_of(study).ratings == 1
    assert take(make_rater()).item.number == 2
    told = {"number": 1, "reason": "It names <b>its</b> maker.", "judgements_not_counted": 1}
    assert study.audit.get(verb="item set aside").detail == told


def test_an_item_that_is_put_back_is_given_again_and_what_was_said_of_it_counts(researcher: Client):
    study = make_study(items=1, ratings_per_item=2)
    judge_all(study, make_rater(), lambda _: "a")
    item = study.items.get()
    set_aside(item, make_user(), "Broken.")
    back = reverse("study-item-put-back", args=[study.slug, 1])
    assert back in researcher.get(study.get_absolute_url(), {"show": "set-aside"}).text
    assert "Item 1 is back." in researcher.post(back, follow=True).text
    assert Rating.objects.counted().count() == 1
    assert take(make_rater()).item == item
    assert study.audit.get(verb="item put back").detail == {"number": 1, "judgements_counted": 1}


def test_only_what_was_set_aside_by_hand_is_put_back_and_only_while_the_study_runs(researcher: Client):
    study, user = make_study(items=3), make_user()
    by_hand, by_rule, seen = study.items.order_by("position")
    Item.objects.filter(pk=by_rule.pk).update(quarantine="Identical answers")
    table = researcher.get(study.get_absolute_url(), {"show": "set-aside"}).text
    assert "Identical answers" in table
    assert "put-back" not in table
    for item in (by_rule, seen):
        with pytest.raises(SettingAsideRefused, match="not set aside by hand"):
            put_back(item, user)
    set_aside(by_hand, user, "Broken.")
    Study.objects.update(state="closed")
    refused = researcher.post(reverse("study-item-put-back", args=[study.slug, 1]), follow=True)
    assert "The study is closed." in refused.text
    assert Item.objects.get(pk=by_hand.pk).quarantine == "By hand: Broken."


def test_another_item_is_drawn_for_one_that_is_set_aside():
    study = answered_study(policies=2, prompts=8, item_limit=5)
    open_study(study)
    set_aside(study.items.get(position=0), make_user(), "Broken.")
    study.refresh_from_db()
    assert draw_more(study) == 1
    assert study.items.comparisons().count() == 5


def test_items_are_set_aside_once_and_while_the_study_runs(researcher: Client):
    study, user = make_study(items=2), make_user()
    item, other = study.items.order_by("position")
    set_aside(item, user, "Broken.")
    with pytest.raises(SettingAsideRefused, match="before"):
        set_aside(item, user, "Broken.")
    with pytest.raises(SettingAsideRefused):
        set_aside(make_check(study, ItemKind.GOLD), user, "Broken.")
    Study.objects.update(state="closed")
    answer = researcher.post(reverse("study-item-set-aside", args=[study.slug, other.number]), {"reason": "Broken."})
    assert answer.status_code == 422
    assert "The study is closed. Items are set aside and put back while it is open or paused." in answer.text
    assert Item.objects.exclude(quarantine="").count() == 1


def test_setting_aside_asks_for_a_reason(researcher: Client):
    study = make_study(items=1)
    assert researcher.post(reverse("study-item-set-aside", args=[study.slug, 1]), {"reason": " "}).status_code == 422
    assert study.items.get().quarantine == ""


def test_raters_set_nothing_aside(client: Client):
    client.force_login(make_rater())
    study = make_study(items=1)
    assert client.post(reverse("study-item-set-aside", args=[study.slug, 1]), {"reason": "x"}).status_code == 403
    assert client.post(reverse("study-item-put-back", args=[study.slug, 1])).status_code == 403
