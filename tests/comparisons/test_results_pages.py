"""Results pages: shut while a study runs, and every figure leads to its rows."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse

from comparisons import assignment as assigning
from comparisons.models import StudyState
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer, take
from tests.factories import make_policy, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client):
    user = make_user("rita")
    client.force_login(user)
    return user


@pytest.fixture
def study():
    """Closed: eight items, six for the tuned policy, one tie, one both bad."""
    base, tuned = make_policy(name="Base"), make_policy(name="Tuned", method="dpo")
    study = make_study(items=8, policies=[base, tuned], name="Ferries", slug="ferries")
    said = {0: "tie", 1: "both_bad"}
    judge_all(study, make_rater("alice"), lambda given: said.get(given.item.position) or prefer(tuned)(given))
    study.state = StudyState.CLOSED
    study.save()
    return study


def page_of(response):
    return BeautifulSoup(response.content, "html.parser")


@pytest.mark.parametrize("name", ["study-results", "study-rows"])
def test_nothing_is_told_before_the_study_is_closed(client, researcher, name):
    study = make_study(items=4)
    given = take(make_rater())
    assigning.submit(given, "a", 1)
    page = client.get(reverse(name, args=[study.slug])).text
    assert "Results are shown when the study is closed" in page
    assert "1 of 4 judgements are in" in page
    assert given.answer_a.text not in page


@pytest.mark.parametrize("name", ["study-results", "study-rows"])
def test_annotators_are_refused(client, study, name):
    client.force_login(make_rater("bob"))
    assert client.get(reverse(name, args=[study.slug])).status_code == 403


def test_the_page_begins_with_a_sentence_and_links_figures_to_rows(client, researcher, study):
    """6 wins and a tie of 7, half a win added to each side: d = ln(6.5 / 0.5) = 2.565, s.e. sqrt(1/6.5 + 2) = 1.468, so
    [-0.31, 5.44]; ν = 1 / sqrt(6.5 · 0.5) = 0.555. (e^{d/2} + ν/2) / (e^{d/2} + ν + e^{-d/2}) of the ends is 0.44
    and 0.98."""
    page = page_of(client.get(reverse("study-results", args=["ferries"])))
    told = page.find("h1").find_next("p").text
    assert told.startswith("The votes cannot tell Base from Tuned yet: Tuned is preferred in 93 % [44, 98] of 7")
    cell = page.select_one("table.matrix td[data-lead] a")
    one, other = study.contenders.values_list("pk", flat=True)
    assert cell["href"] == f"{reverse('study-rows', args=['ferries'])}?policy={one}&against={other}"
    assert "undefined because no item was judged by two people" in " ".join(page.text.split())


def test_a_study_without_judgements_has_a_page(client, researcher):
    study = make_study(state=StudyState.CLOSED)
    response = client.get(reverse("study-results", args=[study.slug]))
    assert response.status_code == 200
    assert "Nobody judged" in response.text


def test_rows_show_answers_with_their_policies_and_judgements(client, researcher, study):
    page = client.get(reverse("study-rows", args=["ferries"]))
    assert page.text.count("Tuned is better") == 6
    tied = page_of(client.get(reverse("study-rows", args=["ferries"]), {"said": "tie"}))
    assert [title.text for title in tied.select("article h2")] == ["Item 1"]


@pytest.mark.parametrize("one", ["x'", "²", "9" * 30])
def test_rows_of_a_nonsense_filter_are_all_rows(client, researcher, study, one):
    page = page_of(client.get(reverse("study-rows", args=["ferries"]), {"policy": one, "said": "?", "page": "99"}))
    assert len(page.select("article")) == 8


def test_rows_ask_the_database_a_fixed_number_of_times(client, researcher, study, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        client.get(reverse("study-rows", args=["ferries"]))


def test_the_address_narrows_the_page_to_a_part_and_says_so(client, researcher, study):
    address = reverse("study-results", args=[study.slug])
    assert "A part of the study." in client.get(f"{address}?stratum=other&ties=halves").text
    assert "A part of the study." not in client.get(f"{address}?pool=nobody&ties=x").text
