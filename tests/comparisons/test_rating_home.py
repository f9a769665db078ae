"""The rater's own pages: what waits, guidelines once per version, training, breaks, their own work."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse
from django.utils import timezone

from comparisons import assignment as assigning
from comparisons.models import Answer, Assignment, GuidelineReading, ItemKind, Rating
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, read_guidelines, rewrite, take
from tests.comparisons.test_checks import make_check, rightly, wrongly

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client):
    rater = make_rater("alice")
    client.force_login(rater)
    return rater


def page_of(response):
    return BeautifulSoup(response.content, "html.parser")


def words(response) -> str:
    return " ".join(page_of(response).find("main").get_text(" ").split())


def home(client) -> str:
    return words(client.get(reverse("rate")))


# --- Guidelines -------------------------------------------------------------------------------------------------------


def test_the_guideline_comes_once_before_the_first_item(client, alice):
    make_study(items=2, guideline="Prefer what is **right**.")
    page = client.post(reverse("rate"), follow=True)
    assert page.redirect_chain[-1][0].endswith("/guideline/")
    assert page_of(page).find("strong").text == "right"
    url = f"/rate/{Assignment.objects.get().token}/"
    assert client.post(f"{url}guideline/", {"number": 1}).url == url
    assert client.get(url).status_code == 200
    assert client.get(url).status_code == 200


def test_a_new_version_is_shown_with_what_changed_before_the_next_item(client, alice):
    study = make_study(items=3, guideline="Prefer the answer that is right and short.")
    read_guidelines(alice)
    url = client.post(reverse("rate")).url
    study.guidelines.create(number=2, text="Prefer the answer that is right and complete.")
    following = client.post(f"{url}submit/", {"choice": "a", "revision": 1}, follow=True)
    page = page_of(following)
    assert page.h1.text == "The guidelines have changed"
    assert ([gone.text for gone in page.find_all("del")], [new.text for new in page.find_all("ins")]) == (
        ["short"],
        ["complete"],
    )
    assert "changed since you read version 1" in home(client)


def test_a_judgement_is_pinned_to_the_version_that_was_read(client, alice):
    study = make_study(items=3, guideline="One.")
    read_guidelines(alice)
    url = client.post(reverse("rate")).url
    study.guidelines.create(number=2, text="Two.")
    client.post(f"{url}submit/", {"choice": "a", "revision": 1})
    assert Rating.objects.get().guideline.text == "One."


@pytest.mark.parametrize("number", ["", "x", "-1", "9" * 40, "2"])
def test_a_version_that_does_not_exist_is_not_read(client, alice, number):
    make_study()
    url = client.post(reverse("rate")).url
    client.post(f"{url}guideline/", {"number": number})
    assert not GuidelineReading.objects.exists()


def test_a_study_without_guideline_begins_at_once(client, alice):
    make_study(guideline=" ")
    url = client.post(reverse("rate")).url
    assert client.get(url).status_code == 200
    assert client.get(f"{url}guideline/").url == url


# --- Training ---------------------------------------------------------------------------------------------------------


def train(client, rater, decide) -> str:
    """Judge the training item that comes first; where that leads."""
    read_guidelines(rater)
    client.post(reverse("rate"))
    assignment = Assignment.objects.get(rater=rater)
    return client.post(f"/rate/{assignment.token}/submit/", {"choice": decide(assignment), "revision": 1}).url


@pytest.mark.parametrize("decide, heading", [(rightly, "As expected"), (wrongly, "Another judgement was expected")])
def test_after_a_training_item_comes_what_was_expected_and_why(client, alice, decide, heading):
    item = make_check(make_study(items=1), ItemKind.TRAINING)
    item.expected.explanation = "It is *true*. <script>alert(1)</script>"
    item.expected.save()
    page = page_of(client.get(train(client, alice, decide)))
    assignment = Assignment.objects.get()
    assert page.find(id="feedback-title").text == heading
    assert f"Expected: {rightly(assignment).upper()} is better." in page.text
    assert page.find("em").text == "true"
    assert all(script.get("src") for script in page.find_all("script"))


def test_there_is_no_feedback_on_anything_but_judged_training(client, alice):
    study = make_study(items=1)
    gold = make_check(study, ItemKind.GOLD)
    training = make_check(study, ItemKind.TRAINING)
    assert train(client, alice, rightly).endswith("/feedback/")
    url = f"/rate/{Assignment.objects.get().token}/feedback/"
    assert client.get(url).status_code == 200
    training.kind = ItemKind.GOLD
    training.save()
    assert client.get(url).status_code == 404
    assert gold.assignments.count() == 0


def test_training_is_not_shown_with_its_answer_before_it_is_judged(client, alice):
    make_check(make_study(items=1), ItemKind.TRAINING)
    read_guidelines(alice)
    url = client.post(reverse("rate")).url
    assert client.get(f"{url}feedback/").status_code == 404


def test_who_was_not_admitted_is_thanked_and_told_what_to_do(client, alice):
    study = make_study(items=2, design={"training_share_right": 0.8})
    make_check(study, ItemKind.TRAINING)
    train(client, alice, wrongly)
    text = home(client)
    assert "You judged 0 of the 1 training item as expected; this task goes on with people who reach 80 %" in text
    assert "write to the people who asked you to rate" in text
    assert "Start rating" not in text


def test_who_was_admitted_reads_nothing_of_it(client, alice):
    study = make_study(items=2, design={"training_share_right": 0.8})
    make_check(study, ItemKind.TRAINING)
    train(client, alice, rightly)
    assert "Thank you for the training" not in home(client)


# --- Breaks -----------------------------------------------------------------------------------------------------------


def sit(client, rater, minutes: int, gap_minutes: int = 0, **design) -> str:
    """As if the rater had judged once a minute, the latest time `gap_minutes` ago; the address of the next item."""
    make_study(items=minutes + 3, design={"sitting_minutes": 30} | design)
    read_guidelines(rater)
    now = timezone.now()
    for ago in range(minutes, 0, -1):
        assigning.submit(take(rater), "a", 1)
        latest = Rating.objects.latest("id").pk
        at = now - timedelta(minutes=ago - 1 + gap_minutes)
        rewrite(Rating.objects.filter(pk=latest), created_at=at, seconds=60)
    return client.post(reverse("rate")).url


def test_after_a_sitting_the_next_page_is_a_break(client, alice):
    url = sit(client, alice, minutes=31)
    assert client.get(url).url == f"{url}break/"
    assert "You have judged for 31 minutes without a break." in words(client.get(f"{url}break/"))
    assert "You can go on in 5 min" in words(client.get(f"{url}break/"))


def test_the_judgement_that_ends_a_sitting_is_saved(client, alice):
    url = sit(client, alice, minutes=31)
    reply = client.post(f"{url}submit/", {"choice": "b", "revision": 1}, headers={"accept": "application/json"}).json()
    assert reply["good"]
    assert reply["go"].endswith("/break/")


@pytest.mark.parametrize("minutes, gap", [(28, 0), (31, 6)])
def test_no_break_is_due_before_its_time_nor_after_one_was_made(client, alice, minutes, gap):
    url = sit(client, alice, minutes=minutes, gap_minutes=gap)
    assert client.get(url).status_code == 200
    assert client.get(f"{url}break/").url == url


def test_going_on_without_a_break_is_the_managers_to_allow(client, alice):
    url = sit(client, alice, minutes=31)
    assert "Go on without a break" not in words(client.get(f"{url}break/"))
    client.post(f"{url}break/")
    assert client.get(url).url == f"{url}break/"


def test_where_it_is_allowed_people_go_on_and_the_next_sitting_begins(client, alice):
    url = sit(client, alice, minutes=31, break_optional=True)
    assert "Go on without a break" in words(client.get(f"{url}break/"))
    client.post(f"{url}break/")
    assert client.get(url).status_code == 200


def test_a_study_without_limit_knows_no_break(client, alice):
    url = sit(client, alice, minutes=31, sitting_minutes=0)
    assert client.get(url).status_code == 200


# --- Own work ---------------------------------------------------------------------------------------------------------


def test_time_is_told_for_today_and_in_all_with_long_pauses_cut(client, alice):
    """90 s today; yesterday 200 s and 3,000 s, which counts as 300: 590 s in all, so 10 minutes begun."""
    study = make_study(items=3)
    judge_all(study, alice, lambda _: "a")
    yesterday = timezone.now() - timedelta(days=1)
    for pk, seconds, at in zip(
        Rating.objects.values_list("pk", flat=True),
        (200, 3000, 90),
        (yesterday, yesterday, timezone.now()),
        strict=True,
    ):
        rewrite(Rating.objects.filter(pk=pk), seconds=seconds, created_at=at)
    worked = assigning.worked(alice)
    assert (worked.words_today, worked.words_ever) == ("2 min", "10 min")
    assert "Time today 2 min Time in all 10 min" in home(client)


def test_time_today_stands_once_beside_a_task_that_waits(client, alice):
    make_study(items=2)
    assigning.submit(take(alice), "a", 1)
    found = home(client)
    assert found.count("Time today") == 1
    assert found.count("Time on this task") == 1


def test_agreement_with_gold_is_told_only_where_it_may_be_and_of_enough_items(alice):
    for shown in (True, False):
        study = make_study(items=80, ratings_per_item=2, design={"check_share": 0.3, "show_gold_agreement": shown})
        for _ in range(12):
            make_check(study, ItemKind.GOLD)
        assert assigning.gold_agreement(study, alice) is None
        judge_all(study, alice, rightly)
        assert (assigning.gold_agreement(study, alice) is not None) == shown


def test_agreement_with_gold_does_not_tell_which_item_was_gold(alice):
    """It moves after 20, 40, … judgements and never after a single gold item."""
    study = make_study(items=60, design={"check_share": 0.3, "show_gold_agreement": True})
    for _ in range(30):
        make_check(study, ItemKind.GOLD)
    moved, before = [], None
    for judged in range(1, 61):
        assigning.submit(assignment := take(alice), rightly(assignment), 1)
        found = assigning.gold_agreement(study, alice)
        if found != before:
            moved.append(judged)
        before = found
    assert moved
    assert all(judged % 20 == 0 for judged in moved)


def test_the_last_judgements_stand_with_their_texts_and_the_latest_can_be_taken_back(client, alice):
    make_study(items=3, design={"strength": True})
    read_guidelines(alice)
    first = client.post(reverse("rate")).url
    client.post(f"{first}submit/", {"choice": "a3", "revision": 1, "note": "Clear.", "reasons": ["clear"]})
    second = client.post(reverse("rate")).url
    client.post(f"{second}submit/", {"choice": "both_bad", "revision": 1})
    page = page_of(client.get(reverse("rate-judged")))
    assert [heading.text for heading in page.select(".judgement h2")] == ["Both bad", "A is better by far"]
    assert "Question 0?" in page.text
    assert "clear Clear." in " ".join(page.text.split())
    assert page.find("form", action=f"{second}undo/")
    assert page.find("form", action=f"{first}undo/") is None


def test_nothing_older_than_what_may_come_again_can_be_looked_up(client, alice):
    """A repeat comes after ten others at least: the nine that are shown hold none that may come."""
    study = make_study(items=15)
    judge_all(study, alice, lambda _: "a")
    assert len(page_of(client.get(reverse("rate-judged"))).select(".judgement")) == 9


def test_others_judgements_are_not_mine(client, alice):
    judge_all(make_study(items=2), make_rater("bob"), lambda _: "a")
    assert "Nothing judged yet" in client.get(reverse("rate-judged")).text


def test_an_answer_whose_policy_is_gone_is_shown_like_any_other(client, alice):
    make_study(items=1)
    rewrite(Answer.objects.all(), contender=None, served_name="")
    read_guidelines(alice)
    url = client.post(reverse("rate")).url
    assert "answer 0 of 0" in words(client.get(url))
    client.post(f"{url}submit/", {"choice": "a", "revision": 1})
    assert "answer 0 of 0" in words(client.get(reverse("rate-judged")))
