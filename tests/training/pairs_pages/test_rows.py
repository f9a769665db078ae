"""One row, its tags, downloads, and the ways from a row or a listing to what comes next."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import User
from tests.streams import received
from tests.training.pairs_pages.listings import address, listed, sealed, soup, text_of
from tests.training.preferences.pairs import pair
from training.models import PairTag
from training.preferences import browsing, reporting, tags
from training.preferences.filters import Filter

pytestmark = pytest.mark.django_db


# --- One row ----------------------------------------------------------------------------------------------------------


def test_a_row_marks_the_words_that_differ(client: Client, rita: User) -> None:
    version = sealed([pair("a", "It is a large red house.", "It is a small red house."), pair("b")])
    page = soup(client.get(address(version, "part=1", "dataset-pair", 0)))
    assert [mark.get_text() for mark in page.select("ins, del")] == ["large", "small"]
    assert page.find("html") is None


def test_answers_without_common_words_are_shown_unmarked(client: Client, rita: User) -> None:
    version = sealed([pair("a", "One two three.", "Something else entirely"), pair("b")])
    page = client.get(address(version, "", "dataset-pair", 0))
    assert "share too few words" in text_of(page)
    assert not soup(page).select("ins, del")


def test_a_row_leads_to_its_finding_and_its_group(client: Client, rita: User) -> None:
    version = sealed()
    place = reporting.place_of(version)
    columns = {"rule": ["repeats", "repeats"], "row": [3, 20], "group": [0, 7]}
    pq.write_table(pa.table(columns), place.rows, use_dictionary=["rule"])
    page = soup(client.get(address(version, "", "dataset-pair", 20)))
    links = [urlsplit(str(link["href"])).query for link in page.select("a[href*='finding=']")]
    assert links == ["finding=repeats", "finding=repeats&group=7"]


# --- Tags -------------------------------------------------------------------------------------------------------------


def test_a_tag_is_put_on_a_row_and_taken_off(client: Client, rita: User) -> None:
    version = sealed()
    at = address(version, "", "dataset-pair-tags", 3)
    assert client.post(at, {"tag": "  look   again "}).status_code == 302
    assert PairTag.objects.get().tag == "look again"
    assert listed(client.get(address(version, "tag=look+again"))) == [3]
    client.post(at, {"remove": "look again"})
    assert not PairTag.objects.exists()


def test_a_tag_twice_is_one_tag(client: Client, rita: User) -> None:
    version = sealed()
    for _ in range(2):
        client.post(address(version, "", "dataset-pair-tags", 3), {"tag": "x"})
    assert PairTag.objects.count() == 1


@pytest.mark.parametrize("tag,sentence", [("  ", "at least one letter"), ("x" * 41, "at most 40 characters")])
def test_a_bad_tag_is_refused_with_a_sentence(client: Client, rita: User, tag: str, sentence: str) -> None:
    at = address(sealed(), "", "dataset-pair-tags", 3)
    answer = client.post(at, {"tag": tag}, headers={"HX-Request": "true"})
    assert sentence in text_of(answer)
    assert not PairTag.objects.exists()


def test_tags_of_the_source_stand_apart_and_cannot_be_taken_off(client: Client, rita: User) -> None:
    version = sealed([pair("a", tags=("theirs",)), pair("b")])
    client.post(address(version, "", "dataset-pair-tags", 0), {"tag": "mine"})
    page = soup(client.get(address(version, "part=1", "dataset-pair", 0)))
    assert [str(field["value"]) for field in page.select("[name=remove]")] == ["mine"]
    assert "Of the source: theirs" in page.get_text()


def test_all_rows_of_a_filter_are_tagged_at_once(client: Client, rita: User) -> None:
    version = sealed()
    client.post(address(version, "annotator=a1", "dataset-pairs-tags"), {"tag": "second", "do": "add"})
    assert sorted(PairTag.objects.values_list("row", flat=True)) == list(range(1, 60, 2))
    client.post(address(version, "q=answer+1", "dataset-pairs-tags"), {"tag": "second", "do": "remove"})
    assert PairTag.objects.count() == 29


def test_more_rows_than_the_limit_are_not_tagged(client: Client, rita: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "ROWS_TAGGED_AT_ONCE", 10)
    answer = client.post(address(sealed(), "", "dataset-pairs-tags"), {"tag": "x", "do": "add"}, follow=True)
    assert "At most 10 rows are tagged at once, and these are 60." in text_of(answer)
    assert not PairTag.objects.exists()


def test_nothing_is_tagged_or_downloaded_by_an_address_that_is_not_understood(client: Client, rita: User) -> None:
    version = sealed()
    at = address(version, "score=label&low=abc", "dataset-pairs-tags")
    assert client.post(at, {"tag": "x", "do": "add"}).status_code == 404
    assert client.get(address(version, "score=label&low=abc", "dataset-pairs-download")).status_code == 404
    assert not PairTag.objects.exists()


# --- Downloads and selections -----------------------------------------------------------------------------------------


def test_the_rows_of_a_listing_are_downloaded_in_its_order(client: Client, rita: User) -> None:
    version = sealed()
    answer = client.get(address(version, "q=answer+1&order=down", "dataset-pairs-download"))
    rows = [json.loads(line) for line in received(answer).splitlines()]
    assert [row["prompt"][0]["content"] for row in rows] == ["Q1?"]
    whole = received(client.get(address(version, "order=down", "dataset-pairs-download"))).splitlines()
    assert json.loads(whole[0])["prompt"][0]["content"] == "Q59?"
    assert len(whole) == 60


def test_rows_are_selected_by_their_tags_for_other_code() -> None:
    version = sealed()
    tags.put(version, [5, 7], "x", None)
    assert browsing.select_rows(version, Filter(tag="x", annotator="a1")).tolist() == [5, 7]


# --- From a row to the next of its listing, and from a listing to tasks -----------------------------------------------


def beside(response: Any) -> dict[str, str]:
    return {str(link["rel"][0]): str(link["href"]) for link in soup(response).select(".page-header a[rel]")}


def test_a_row_leads_to_the_next_of_the_listing_it_was_opened_from(client: Client, rita: User) -> None:
    """Longer by 1, 2, 0: down from the longest the rows are 1, 0, 2; row 3 has other words."""
    version = sealed([pair("a", "xx", "y"), pair("a", "xxx", "y"), pair("a", "x", "y"), pair("b", "xxxx", "y")])
    query = "q=a&sort=length_difference&order=down"
    page = client.get(address(version, query, "dataset-pair", 0))
    assert beside(page) == {
        "prev": address(version, query, "dataset-pair", 1),
        "next": address(version, query, "dataset-pair", 2),
    }
    assert "2 of 3 listed" in text_of(page)


def test_a_row_that_its_listing_does_not_hold_leads_to_the_next_of_the_version(client: Client, rita: User) -> None:
    version = sealed()
    for query in ("q=nowhere", "finding=gone"):
        page = client.get(address(version, query, "dataset-pair", 7))
        assert beside(page)["next"] == address(version, "", "dataset-pair", 8)


def test_the_way_back_from_a_row_leads_to_its_page_of_the_listing(client: Client, rita: User) -> None:
    version = sealed()
    page = client.get(address(version, "page=1", "dataset-pair", 30))
    assert soup(page).select(".breadcrumb a")[-1]["href"] == address(version, "page=2")


@pytest.mark.parametrize("low, listed_rows", [("1,204", []), ("1,000", [0]), ("1000.5", []), ("-1,000", [0, 1])])
def test_a_bound_may_be_written_as_pages_print_numbers(
    client: Client, rita: User, low: str, listed_rows: list[int]
) -> None:
    version = sealed([pair("a", "x" * 1_001, "y"), pair("b", "xxx", "y")])
    assert listed(client.get(address(version, f"score=length_difference&low={low}"))) == listed_rows


@pytest.mark.parametrize("low", ["0,5", "1,20", "12,3456"])
def test_a_comma_that_may_mean_either_is_complained_about(client: Client, rita: User, low: str) -> None:
    page = client.get(address(sealed(), f"score=length_difference&low={low}"))
    assert "is not a number" in text_of(page)
    assert len(listed(page)) == 25


def test_a_filtered_listing_leads_to_what_people_can_be_asked_to_do(client: Client, rita: User) -> None:
    version = sealed()
    links = [str(a["href"]) for a in soup(client.get(address(version, "annotator=a1"))).select("a[href*='/gaps/']")]
    assert [urlsplit(link).path for link in links] == [
        reverse(name) for name in ("gap-study", "gap-collection", "gap-attempts")
    ]
    [asked] = parse_qs(urlsplit(links[0]).query)["filter"]
    assert Filter.model_validate_json(asked) == Filter(annotator="a1")
    assert not soup(client.get(address(version))).select("a[href*='/gaps/']")


def test_the_rows_of_a_part_of_a_finding_are_listed_and_named(client: Client, rita: User) -> None:
    version = sealed([pair("a", "to jane@acme-corp.com"), pair("b", "card 4111 1111 1111 1111"), pair("c")])
    reporting.make_missing()
    part = "personal_data: card number"
    page = client.get(address(version, urlencode({"finding": part})))
    assert listed(page) == [1]
    assert soup(page).select_one(".chip").get_text(" ", strip=True).startswith("Finding: personal data: card number")
    assert [option["value"] for option in soup(page).select("#finding option[selected]")] == [part]


def test_a_filter_by_language_says_which_rows_were_looked_at(client: Client, rita: User, monkeypatch) -> None:
    monkeypatch.setattr("training.preferences.checks.languages.LOOKED_AT", 20)
    version = sealed([pair(f"Please tell me about the harbour of island number {n}") for n in range(60)])
    reporting.make_missing()
    assert "drawn at random" in text_of(client.get(address(version, "language=en")))
    assert soup(client.get(address(version))).select_one(".notice") is None
