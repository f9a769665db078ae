"""What a study's design lets raters say, what they send, and texts that would break a page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse
from django.utils import timezone

from comparisons.design import Design
from comparisons.forms.rating import RatingForm, label_of, offered
from comparisons.models import Answer, Assignment, Prompt, Rating
from tests.comparisons.rating_factories import make_rater, make_study, read_guidelines, rewrite

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client):
    rater = make_rater("alice")
    client.force_login(rater)
    return rater


def begin(client, rater, **design) -> str:
    make_study(items=2, design=design)
    read_guidelines(rater)
    return client.post(reverse("rate")).url


def page_of(response):
    return BeautifulSoup(response.content, "html.parser")


def keys_of(page) -> dict[str, str]:
    return {button["value"]: button["data-key"] for button in page.select("#rating-form button")}


# --- Choices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "design, values",
    [
        ({}, ["a", "tie", "both_bad", "b"]),
        ({"ties": False}, ["a", "both_bad", "b"]),
        ({"both_bad": False}, ["a", "tie", "b"]),
        ({"ties": False, "both_bad": False}, ["a", "b"]),
        ({"strength": True}, ["a3", "a2", "a1", "tie", "both_bad", "b1", "b2", "b3"]),
        ({"strength": True, "ties": False, "both_bad": False}, ["a3", "a2", "a1", "b1", "b2", "b3"]),
    ],
)
def test_a_page_offers_what_the_design_says(client, alice, design, values):
    assert list(keys_of(page_of(client.get(begin(client, alice, **design))))) == values


def test_strengths_lie_on_the_upper_row_of_keys_from_left_to_right(client, alice):
    keys = keys_of(page_of(client.get(begin(client, alice, strength=True))))
    scale = ["a3", "a2", "a1", "tie", "b1", "b2", "b3"]
    assert [keys[value].split(",")[0] for value in scale] == list("1234567")


@pytest.mark.parametrize(
    "design, choice",
    [
        ({"ties": False}, "tie"),
        ({"both_bad": False}, "both_bad"),
        ({}, "a3"),
        ({"strength": True}, "a"),
        ({"strength": True}, "a4"),
        ({"strength": True}, "tie2"),
        ({}, "skip"),
        ({}, "withdrawn"),
        ({}, ""),
        ({}, "A"),
        ({}, "a\0"),
    ],
)
def test_what_is_not_offered_is_refused_and_changes_nothing(client, alice, design, choice):
    url = begin(client, alice, **design)
    response = client.post(f"{url}submit/", {"choice": choice, "revision": 1, "note": "Kept."})
    assert response.status_code == 422
    assert page_of(response).find("textarea").text == "Kept."
    assert not Rating.objects.exists()


@pytest.mark.parametrize("value, choice, strength", [("a3", "a", 3), ("b1", "b", 1), ("tie", "tie", 0)])
def test_a_strength_is_stored_with_its_side(client, alice, value, choice, strength):
    url = begin(client, alice, strength=True)
    client.post(f"{url}submit/", {"choice": value, "revision": 1})
    assert Rating.objects.values_list("choice", "strength").get() == (choice, strength)


def test_every_stored_judgement_has_words():
    for rules in (Design(), Design(strength=True)):
        for option in offered(rules):
            assert label_of(option.choice, option.strength) == option.label
    assert label_of("skip") == "Skipped"
    assert label_of("a", 9) == "A is better"


def test_reasons_are_asked_for_only_where_the_design_says_so(client, alice):
    url = begin(client, alice, reasons=False)
    assert not page_of(client.get(url)).select("[name=reasons]")
    client.post(f"{url}submit/", {"choice": "a", "revision": 1, "reasons": ["correct"]})
    assert Rating.objects.get().reasons == []


def test_a_refused_early_judgement_keeps_its_choice_without_script(client, alice):
    url = begin(client, alice, minimum_seconds=60)
    response = client.post(f"{url}submit/", {"choice": "b", "revision": 1, "note": "Early.", "reasons": ["clear"]})
    page = page_of(response)
    assert response.status_code == 422
    assert "Please read both answers first" in page.text
    assert [button["value"] for button in page.select("#rating-form [aria-pressed=true]")] == ["b"]
    assert [box["value"] for box in page.select("input[name=reasons][checked]")] == ["clear"]
    assert page.find("textarea").text == "Early."
    assert 58 <= int(page.main["data-reading-seconds"]) <= 60


@pytest.mark.parametrize("clock", ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "yesterday"])
def test_a_raters_clock_neither_opens_the_choices_nor_changes_the_time_that_counts(client, alice, clock):
    """Whatever the page says: the item was shown 30 seconds ago by the server's clock, and at least 20 are asked."""
    url = begin(client, alice, minimum_seconds=20)
    client.get(url)
    fields = dict.fromkeys(("shown_at", "leased_at", "created_at", "at", "seconds", "time"), clock)
    said = {"choice": "a", "revision": 1, "hidden_seconds": "1e300"} | fields
    date = {"HTTP_DATE": clock, "HTTP_IF_MODIFIED_SINCE": clock}
    assert client.post(f"{url}submit/", said, **date).status_code == 422
    Assignment.objects.update(shown_at=timezone.now() - timedelta(seconds=30))
    client.post(f"{url}submit/", said, **date)
    rating = Rating.objects.get()
    assert 30 <= rating.seconds < 40
    assert timezone.now() - rating.created_at < timedelta(seconds=10)
    assert rating.reading == {"hidden_seconds": 86_400}


# --- What the page saw ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent, stored",
    [
        ({}, {}),
        ({"scrolled": "1", "hidden_seconds": "12.34"}, {"scrolled": True, "hidden_seconds": 12.3}),
        ({"scrolled": "0", "hidden_seconds": "0"}, {"scrolled": False, "hidden_seconds": 0.0}),
        ({"scrolled": "yes", "hidden_seconds": "NaN"}, {}),
        ({"scrolled": "<script>", "hidden_seconds": "inf"}, {}),
        ({"hidden_seconds": "-5"}, {"hidden_seconds": 0.0}),
        ({"hidden_seconds": "1e300"}, {"hidden_seconds": 86400.0}),
        ({"hidden_seconds": "12 seconds"}, {}),
        ({"hidden_seconds": "1" * 100_000}, {}),
    ],
)
def test_what_the_page_saw_is_bounded_and_never_refuses_a_judgement(sent, stored):
    form = RatingForm(Design(), {"choice": "a", "revision": "1"} | sent)
    assert form.is_valid()
    assert form.judgement["reading"] == stored


# --- Texts that would break a page ------------------------------------------------------------------------------------


def test_an_answer_of_a_megabyte_is_shown_whole_and_both_answers_plain(client, alice):
    url = begin(client, alice)
    one, other = Answer.objects.filter(prompt__position=0)
    rewrite(Answer.objects.filter(pk=one.pk), text="word " * 209_715)
    rewrite(Answer.objects.filter(pk=other.pk), text="**bold**")
    page = page_of(client.get(url))
    assert "both answers are shown as plain text" in page.text
    assert not page.select(".answers .formatted")
    assert {len(text.text) for text in page.select(".answers .plain")} == {5 * 209_715 - 1, 8}
    assert client.get(f"{url}?view=differences").status_code == 200


def test_text_from_right_to_left_finds_its_direction_by_block(client, alice):
    url = begin(client, alice)
    rewrite(Answer.objects.all(), text="מתי המעבורת?\n\nAt seven. \u202eneves tA")
    answer = page_of(client.get(url)).find(id="answer-a").parent
    assert {block["dir"] for block in answer.select(".formatted > p, .plain")} == {"auto"}


def test_a_conversation_is_shown_with_its_roles(client, alice):
    url = begin(client, alice)
    turns = [("system", "Be brief."), ("user", "Hello?"), ("assistant", "*Yes*?"), ("user", "Why?")]
    Prompt.objects.update(messages=[{"role": role, "content": text} for role, text in turns])
    page = page_of(client.get(url))
    assert page.find(id="prompt-title").text == "Conversation"
    assert [turn.find(class_="role").text for turn in page.select(".conversation > li")] == [
        "Instructions",
        "Person",
        "Assistant",
        "Person",
    ]
    assert page.select_one(".conversation em").text == "Yes"


# --- Views ------------------------------------------------------------------------------------------------------------


def test_plain_text_is_remembered_by_the_browser_for_every_item(client, alice):
    url = begin(client, alice)
    assert not page_of(client.get(url)).main.has_attr("data-plain")
    assert page_of(client.get(url, {"view": "plain"})).main.has_attr("data-plain")
    following = client.post(f"{url}submit/", {"choice": "a", "revision": 1}, follow=True)
    assert page_of(following).main.has_attr("data-plain")
    assert not page_of(client.get(following.request["PATH_INFO"], {"view": "formatted"})).main.has_attr("data-plain")


def test_the_words_that_differ_are_marked_on_both_sides(client, alice):
    url = begin(client, alice)
    one, other = Answer.objects.filter(prompt__position=0)
    rewrite(Answer.objects.filter(pk=one.pk), text="The ferry leaves at seven <b>sharp</b>.")
    rewrite(Answer.objects.filter(pk=other.pk), text="The ferry leaves at eight <b>sharp</b>.")
    page = page_of(client.get(url, {"view": "differences"}))
    assert {mark.text for mark in page.select(".answers mark")} == {"seven", "eight"}
    assert not page.select(".answers b")


def test_a_view_that_does_not_exist_is_the_usual_one(client, alice):
    url = begin(client, alice)
    response = client.get(url, {"view": "x" * 1000})
    assert response.status_code == 200
    assert "rating_view" not in response.cookies
