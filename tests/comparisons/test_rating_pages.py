"""The pages on which people judge: plain forms that work without script, one judgement per submit, nothing lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse
from django.utils import timezone

from comparisons import assignment as assigning
from comparisons.models import Answer, Assignment, AssignmentState, Prompt, Rating, StudyState
from tests.comparisons.rating_factories import make_rater, make_study, rewrite, take
from tests.factories import make_policy, make_run, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client):
    rater = make_rater("alice")
    client.force_login(rater)
    return rater


def start(client):
    """Press Start, say that the guidelines are read, and follow to the first item's page."""
    page = client.post(reverse("rate"), follow=True)
    form = page_of(page).find(id="guideline-form")
    return client.post(form["action"], {"number": form.find("input", {"name": "number"})["value"]}, follow=True)


def page_of(response):
    return BeautifulSoup(response.content, "html.parser")


def plain_under(page, heading):
    return page.find("h2", string=heading).find_next("div", class_="plain").text


def address(name, rater):
    return reverse(name, args=[Assignment.objects.get(rater=rater, state=AssignmentState.OPEN).token])


def judge(client, rater, choice="a", revision=1, **fields):
    url = address("rate-submit", rater)
    return client.post(url, {"choice": choice, "revision": revision} | fields, follow=True)


def test_starting_leads_to_an_item_with_its_prompt_and_two_answers(client, alice):
    make_study(items=1)
    page = page_of(start(client))
    assert plain_under(page, "Prompt") == "Question 0?"
    answers = {plain_under(page, f"Answer {side}") for side in "AB"}
    assert answers == {"answer 0 of 0", "answer 0 of 1"}


def test_a_judgement_leads_to_the_next_item_and_says_that_it_is_saved(client, alice):
    make_study(items=3)
    start(client)
    response = judge(client, alice, "b", reasons=["correct", "clear"], note="B knows the ferry.")
    assert page_of(response).find(id="main")["data-status"] == "Saved. 1 of 3 judged."
    rating = Rating.objects.get()
    assert (rating.choice, rating.reasons, rating.note) == ("b", ["correct", "clear"], "B knows the ferry.")


def test_the_last_judgement_leads_home_where_it_can_be_taken_back(client, alice):
    make_study(items=1)
    start(client)
    response = judge(client, alice)
    assert response.redirect_chain[-1][0] == reverse("rate")
    assert "Nothing waits for you" in response.text
    assert page_of(response).find("form", action=reverse("rate-undo", args=[Assignment.objects.get().token]))


def test_a_double_click_makes_one_judgement_and_skips_no_item(client, alice):
    make_study(items=3)
    start(client)
    url = address("rate-submit", alice)
    first, second = (client.post(url, {"choice": "a", "revision": 1}) for _ in range(2))
    assert first.url == second.url
    assert Rating.objects.count() == 1


def test_an_unreadable_judgement_changes_nothing_and_says_so(client, alice):
    make_study()
    start(client)
    response = client.post(address("rate-submit", alice), {"choice": "c", "revision": "x", "note": "kept"})
    assert response.status_code == 422
    assert "Nothing was saved yet." in response.text
    assert page_of(response).find("textarea").text == "kept"
    assert not Rating.objects.exists()


def test_an_unreadable_judgement_keeps_what_was_chosen_and_written(client, alice):
    make_study()
    start(client)
    sent = {"choice": "c", "revision": 1, "note": "kept", "reasons": ["correct", "length"]}
    page = page_of(client.post(address("rate-submit", alice), sent))
    assert page.find("details", class_="note").has_attr("open")
    assert [box["value"] for box in page.select("input[name=reasons][checked]")] == ["correct", "length"]
    assert page.find(id="main")["data-status"].startswith("Nothing was saved yet.")


def test_who_is_logged_out_in_the_middle_comes_back_to_the_item_and_sends_it_then(client, alice):
    make_study(items=2)
    start(client)
    item, url = address("rate-item", alice), address("rate-submit", alice)
    client.logout()
    refused = client.post(url, {"choice": "a", "revision": 1})
    assert refused.url == f"{reverse('login')}?next={url}"
    client.force_login(alice)
    response = client.get(url, follow=True)
    assert response.redirect_chain == [(item, 302)]
    assert not Rating.objects.exists()
    judge(client, alice)
    assert Rating.objects.count() == 1


def test_undo_by_address_takes_nothing_back(client, alice):
    make_study(items=2)
    start(client)
    token = Assignment.objects.get().token
    judge(client, alice)
    assert client.get(reverse("rate-undo", args=[token])).url == reverse("rate")
    assert Assignment.objects.get(token=token).state == AssignmentState.DONE


def test_others_tokens_are_nothing_to_me_by_get_either(client, alice):
    make_study()
    bobs = take(make_rater("bob"))
    for name in ("rate-submit", "rate-undo"):
        assert client.get(reverse(name, args=[bobs.token])).status_code == 404


def test_the_prompt_takes_the_focus_and_no_choice_does(client, alice):
    """From the prompt the arrow keys scroll long answers; a choice with the focus would be made by a stray Enter."""
    make_study(items=1)
    page = page_of(start(client))
    focused = page.select("#main [autofocus]:not([popover])")
    assert [element["aria-labelledby"] for element in focused] == ["prompt-title"]


def test_undo_shows_the_item_again(client, alice):
    make_study(items=2)
    start(client)
    token = Assignment.objects.get().token
    judge(client, alice)
    response = client.post(reverse("rate-undo", args=[token]), {"revision": 1}, follow=True)
    assert response.redirect_chain[-1][0] == reverse("rate-item", args=[token])
    assert page_of(response).find("input", {"name": "revision"})["value"] == "3"


def test_skipping_asks_for_a_reason(client, alice):
    make_study(items=2)
    start(client)
    url = address("rate-skip", alice)
    assert "Why can you not judge this item?" in client.get(url).text
    assert client.post(url, {"revision": 1, "reason": "bored"}).status_code == 422
    response = client.post(url, {"revision": 1, "reason": "answer_broken"}, follow=True)
    assert "1 of 2 judged" in response.text
    assert Rating.objects.get().reasons == ["answer_broken"]


def test_another_raters_item_is_nothing_to_me(client, alice):
    make_study()
    bobs = take(make_rater("bob"))
    for name in ("rate-item", "rate-skip"):
        assert client.get(reverse(name, args=[bobs.token])).status_code == 404
    for name in ("rate-submit", "rate-skip", "rate-undo"):
        sent = {"choice": "a", "revision": 1, "reason": "harmful"}
        assert client.post(reverse(name, args=[bobs.token]), sent).status_code == 404
    assert not Rating.objects.exists()


def test_a_judged_item_is_not_shown_again_by_the_back_button(client, alice):
    make_study(items=2)
    start(client)
    url = address("rate-item", alice)
    judge(client, alice)
    response = client.get(url, follow=True)
    assert "You have judged that item already" in response.text
    assert "no-store" in client.get(reverse("rate"))["Cache-Control"]


def test_a_study_closed_meanwhile_is_said_and_the_judgement_kept(client, alice):
    study = make_study(items=2)
    start(client)
    url = address("rate-submit", alice)
    study.state = StudyState.CLOSED
    study.save()
    response = client.post(url, {"choice": "a", "revision": 1}, follow=True)
    assert "The task was closed before your judgement came. It is kept but not counted." in response.text
    assert Rating.objects.count() == 1


def test_a_form_of_an_item_that_went_to_somebody_else_is_kept_and_said_not_to_count(client, alice):
    make_study(items=2)
    start(client)
    url = address("rate-submit", alice)
    Assignment.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    take(make_rater("bob"))
    response = client.post(url, {"choice": "a", "revision": 1, "note": "Late."}, follow=True)
    assert "Your judgement is kept but not counted." in response.text
    assert "Question 1?" in response.text
    assert [rating.note for rating in Rating.objects.all()] == ["Late."]
    assert not Rating.objects.counted().exists()


def test_an_item_of_a_lapsed_lease_opens_again_while_nobody_else_took_it(client, alice):
    make_study(items=1)
    start(client)
    url = address("rate-item", alice)
    Assignment.objects.update(state=AssignmentState.EXPIRED)
    assert client.get(url).status_code == 200
    assigning.expire_leases(timezone.now() + assigning.LEASE)
    take(make_rater("bob"))
    assert "You were away for a while" in client.get(url, follow=True).text


def test_model_text_is_shown_as_text(client, alice):
    study = make_study(items=1)
    hostile = "<script>alert(1)</script>\n  <img src=x onerror=alert(2)>{{ 7|add:7 }}"
    rewrite(Answer.objects.all(), text=hostile)
    Prompt.objects.update(messages=[{"role": "user", "content": hostile}])
    page = page_of(start(client))
    texts = page.find_all("div", class_="plain")
    assert [text.text for text in texts[:3]] == [hostile] * 3
    assert all(script.get("src") for script in page.find_all("script"))
    assert study.items.count() == 1


def test_both_answers_have_the_same_markup(client, alice):
    make_study(items=1)
    page = page_of(start(client))
    left, right = (str(page.find("h2", string=f"Answer {side}").parent) for side in "AB")
    assert left.replace("answer-a", "").replace("Answer A", "").replace("answer 0 of 0", "").replace(
        "answer 0 of 1", ""
    ) == right.replace("answer-b", "").replace("Answer B", "").replace("answer 0 of 0", "").replace("answer 0 of 1", "")


def test_every_choice_is_a_submit_button_with_its_key(client, alice):
    make_study(items=1)
    form = page_of(start(client)).find(id="rating-form")
    keys = {button["value"]: button["data-key"] for button in form.find_all("button")}
    assert keys == {"a": "1,ArrowLeft", "tie": "0", "both_bad": "9", "b": "2,ArrowRight"}


def test_the_home_shows_guideline_and_progress(client, alice):
    make_study(items=4, guideline="Prefer what is right.\n\n<b>Not</b> what is long.")
    page = client.get(reverse("rate")).text
    assert "0 of 4" in page
    assert "&lt;b&gt;Not&lt;/b&gt; what is long." in page
    assert "Start rating" in page


def test_a_researcher_is_told_why_their_own_runs_do_not_come(client):
    researcher = make_user()
    make_study(policies=[make_policy(), make_policy(run=make_run(user=researcher))])
    client.force_login(researcher)
    assert "Items with answers of runs that you launched are not given to you" in client.get(reverse("rate")).text
