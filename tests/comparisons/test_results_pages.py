"""Results pages: shut while a study runs, every figure leads to its rows, and the way back into data."""

from __future__ import annotations

import asyncio
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow.parquet as pq
import pytest
from bs4 import BeautifulSoup
from django.test import AsyncClient
from django.urls import reverse

from comparisons import assignment as assigning
from comparisons.models import Prompt, StudyState
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer, take
from tests.factories import make_policy, make_user
from training.models import Dataset, DatasetVersion

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


@pytest.mark.parametrize("name", ["study-results", "study-rows", "study-export", "study-make-dataset"])
def test_nothing_is_told_before_the_study_is_closed(client, researcher, name):
    study = make_study(items=4)
    given = take(make_rater())
    assigning.submit(given, "a", 1)
    page = client.get(reverse(name, args=[study.slug])).text
    assert "Results are shown when the study is closed" in page
    assert "1 of 4 judgements are in" in page
    assert given.answer_a.text not in page


@pytest.mark.parametrize("name", ["study-results", "study-rows", "study-export", "study-make-dataset"])
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
    assert cell["href"] == f"{reverse('study-rows', args=['ferries'])}?one={one}&other={other}"
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
    page = page_of(client.get(reverse("study-rows", args=["ferries"]), {"one": one, "said": "?", "page": "99"}))
    assert len(page.select("article")) == 8


def test_rows_ask_the_database_a_fixed_number_of_times(client, researcher, study, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        client.get(reverse("study-rows", args=["ferries"]))


def test_the_export_form_streams_a_file(client, researcher, study):
    url = reverse("study-export", args=["ferries"])
    assert "Download" in client.get(url).text
    response = client.get(url, {"form": "plain"})
    assert response["Content-Disposition"] == 'attachment; filename="ferries-pairs.jsonl"'
    rows = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert len(rows) == 6
    assert rows[0]["chosen"] == "answer 2 of 1"


@pytest.mark.django_db(transaction=True)
def test_the_export_streams_under_asgi_too(researcher, study):
    async def download():
        client = AsyncClient()
        await client.aforce_login(researcher)
        response: Any = await client.get(reverse("study-export", args=["ferries"]), {"type": "parquet"})
        assert response.is_async
        return b"".join([chunk async for chunk in response])

    # In a thread of its own: a browser test on this worker may have left an event loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        body = pool.submit(asyncio.run, download()).result()
    assert pq.read_table(io.BytesIO(body)).num_rows == 6


def test_a_rule_that_leaves_nothing_says_why(client, researcher, study):
    response = client.get(reverse("study-export", args=["ferries"]), {"minimum": "5"})
    assert response.status_code == 422
    assert "This rule makes no pair of the 8 items" in response.text


def test_conversations_are_refused_in_the_plain_form(client, researcher, study):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How far?"}]
    Prompt.objects.filter(suite__studies=study).update(messages=turns)
    url = reverse("study-export", args=["ferries"])
    assert client.get(url, {"form": "plain"}).status_code == 422
    assert client.get(url, {"form": "conversational"}).status_code == 200


def test_making_a_dataset_counts_first_and_seals_on_sending(client, researcher, study):
    url = reverse("study-make-dataset", args=["ferries"])
    counts = " ".join(page_of(client.get(url)).select_one("aside").text.split())
    assert counts.startswith("With this rule 6 pairs of 8 items")
    assert not DatasetVersion.objects.exists()
    rule = {"minimum": 1, "ties": "ignore", "disagreement": "majority", "dataset": "Ferries, judged"}
    assert client.post(url, rule | {"action": "count"}).status_code == 200
    assert not DatasetVersion.objects.exists()
    response = client.post(url, rule | {"action": "make"})
    version = DatasetVersion.objects.get()
    assert response.url == version.get_absolute_url()
    assert (version.dataset.name, version.rows, version.created_by) == ("Ferries, judged", 6, researcher)
    assert version.origin["url"] == reverse("study-results", args=["ferries"])


def test_the_name_of_an_existing_dataset_adds_a_version(client, researcher, study):
    url = reverse("study-make-dataset", args=["ferries"])
    rule = {"minimum": 1, "ties": "ignore", "disagreement": "majority", "dataset": "Ferries"}
    for _ in range(2):
        client.post(url, rule)
    assert Dataset.objects.count() == 1
    assert sorted(DatasetVersion.objects.values_list("number", flat=True)) == [1, 2]


def test_a_bad_rule_seals_nothing(client, researcher, study):
    url = reverse("study-make-dataset", args=["ferries"])
    response = client.post(url, {"minimum": 0, "ties": "?", "disagreement": "majority", "dataset": ""})
    assert response.status_code == 422
    assert "Nothing was saved yet" in response.text
    assert not Dataset.objects.exists()


def test_the_address_narrows_the_page_to_a_part_and_says_so(client, researcher, study):
    address = reverse("study-results", args=[study.slug])
    assert "A part of the study." in client.get(f"{address}?stratum=other&ties=halves").text
    assert "A part of the study." not in client.get(f"{address}?pool=nobody&ties=x").text
