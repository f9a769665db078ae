"""What a listing of rows shows and says, and addresses of any kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alignapp.accounts.models import Role, User
from tests.factories import make_user
from tests.training.pairs_pages.listings import address, listed, sealed, soup, text_of
from tests.training.preferences.pairs import pair
from training.models import DatasetVersion
from training.preferences import browsing, reporting, tags
from training.preferences.browsing import building, layout, making
from training.preferences.filters import Bounds, Filter
from training.preferences.survey import ReportSettings

pytestmark = pytest.mark.django_db


# --- Listing ----------------------------------------------------------------------------------------------------------


def test_rows_are_listed_page_by_page(client: Client, rita: User) -> None:
    version = sealed()
    assert "1 to 25 of 60" in text_of(client.get(address(version)))
    assert listed(client.get(address(version, "page=3"))) == list(range(50, 60))


def test_a_page_after_the_last_is_the_last(client: Client, rita: User) -> None:
    assert listed(client.get(address(sealed(), "page=99"))) == list(range(50, 60))


def test_a_search_lists_the_rows_and_shows_a_chip_that_leads_back(client: Client, rita: User) -> None:
    page = client.get(address(sealed(), "q=answer+7&annotator=a1"))
    assert listed(page) == [7]
    assert [chip["href"] for chip in soup(page).select(".chips a.chip")] == ["?annotator=a1", "?q=answer+7"]


def test_the_order_is_in_the_address_and_on_the_column(client: Client, rita: User) -> None:
    version = sealed([pair("a", "xxx", "y"), pair("b", "x", "yyy"), pair("c", "xx", "zz")])
    page = client.get(address(version, "sort=length_difference&order=down"))
    assert listed(page) == [0, 2, 1]
    head = soup(page).select_one("th[aria-sort=descending] a")
    assert head is not None
    assert parse_qs(urlsplit(str(head["href"])).query) == {"sort": ["length_difference"]}


def suspected() -> DatasetVersion:
    """Four rows; the label of row 2 is likely wrong, that of row 0 perhaps, and nothing is known of row 3."""
    version = sealed([pair("a"), pair("b"), pair("c"), pair("d")])
    place = reporting.place_of(version)
    noise = pa.array([0.6, 0.1, 0.9, float("nan")], pa.float32())
    pq.write_table(pa.table({"row": [0, 1, 2, 3], "noise": noise}), place.scores)
    columns = {"rule": ["label_noise"] * 2, "row": [2, 0], "group": pa.nulls(2, pa.int64())}
    pq.write_table(pa.table(columns), place.rows, use_dictionary=["rule"])
    return version


@pytest.mark.parametrize(
    "query, rows",
    [
        ("sort=noise", [2, 0, 1, 3]),
        ("sort=noise&order=", [2, 0, 1, 3]),
        ("sort=noise&order=up", [1, 0, 2, 3]),
        ("sort=weight", [0, 1, 2, 3]),
        ("finding=label_noise", [2, 0]),
        ("finding=label_noise&sort=row", [0, 2]),
        ("finding=label_noise&order=up", [0, 2]),
        ("", [0, 1, 2, 3]),
    ],
)
def test_what_is_most_likely_wrong_comes_first(client: Client, rita: User, query: str, rows: list[int]) -> None:
    assert listed(client.get(address(suspected(), query))) == rows


def test_every_order_of_suspected_rows_has_an_address_of_its_own(client: Client, rita: User) -> None:
    """A page's links keep its order: the chip that takes the finding away, the head that turns the order round."""
    version = suspected()
    page = soup(client.get(address(version, "finding=label_noise")))
    assert [chip["href"] for chip in page.select(".chips a.chip")] == ["?sort=noise"]
    head = page.select_one("th[aria-sort=descending] a")
    assert head is not None
    assert listed(client.get(address(version, str(head["href"])[1:]))) == [0, 2]
    turned = soup(client.get(address(version, "finding=label_noise&sort=noise&order=up")))
    assert [option["value"] for option in turned.select("#order option[selected]")] == ["up"]
    by_row = soup(client.get(address(version, "finding=label_noise&sort=row")))
    assert [option["value"] for option in by_row.select("#sort option[selected]")] == []


def test_the_filter_is_handed_on_as_one_parameter(client: Client, rita: User) -> None:
    chosen = Filter(annotator="a0", bounds=(Bounds(score="label", low=0.5),))
    page = client.get(address(sealed(), f"filter={chosen.model_dump_json()}"))
    assert listed(page)[:3] == [0, 2, 4]


def test_text_of_rows_and_searches_cannot_become_markup(client: Client, rita: User) -> None:
    version = sealed([pair("<img src=x>", "<b>", "<i>", tags=("<u>",)), pair("b")])
    page = client.get(address(version, "q=<script>alert(1)</script>")).content
    page += client.get(address(version)).content + client.get(address(version, "", "dataset-pair", 0)).content
    for hostile in (b"<img src=x", b"<script>alert", b"<b>", b"<i>", b"<u>"):
        assert hostile not in page


@pytest.mark.parametrize(
    "query,sentence",
    [
        ("score=noise&low=abc", "“abc” is not a number"),
        ("score=unheard&low=1", "no score called “unheard”"),
        ("finding=unheard", "no finding called “unheard”"),
        ("sort=unheard", "cannot be sorted by “unheard”"),
        ("group=x", "“x” is not the number of a group"),
        ("rows=1,x", "Rows are named by their numbers"),
        ("filter={", "could not be read"),
        ("q=!!!", "No row of this version meets all conditions"),
        ("language=xx", "says nothing about languages"),
    ],
)
def test_what_an_address_asks_wrongly_is_answered_with_a_sentence(
    client: Client, rita: User, query: str, sentence: str
) -> None:
    response = client.get(address(sealed(), query))
    assert response.status_code in (200, 404)
    assert sentence in text_of(response)


NAMES = ["q", "split", "finding", "group", "tag", "annotator", "source", "language", "cluster", "score", "low", "high"]
NAMES += ["rows", "sort", "order", "page", "after", "filter"]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=12) | st.integers().map(str)), max_size=5))
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_address_breaks_the_page(client: Client, rita: User, parameters: list[tuple[str, str]]) -> None:
    version = DatasetVersion.objects.first() or sealed()
    data: dict[str, list[str]] = {}
    for name, value in parameters:
        data.setdefault(name, []).append(value)
    assert client.get(address(version), data).status_code in (200, 404)


def test_head_is_answered_and_a_missing_row_or_version_is_not_found(client: Client, rita: User) -> None:
    version = sealed()
    assert client.head(address(version)).status_code == 200
    assert client.get(address(version, "", "dataset-pair", 60)).status_code == 404
    assert client.get(address(version, "", "dataset-pair", 2**70)).status_code == 404
    assert client.get(reverse("dataset-pairs", args=["islands", 9])).status_code == 404


def test_a_listing_takes_few_queries(client: Client, rita: User, django_assert_max_num_queries: Any) -> None:
    version = sealed()
    version.report_settings = ReportSettings().model_dump(mode="json")  # as every version has that has a report
    version.save()
    client.get(address(version))
    with django_assert_max_num_queries(9):
        client.get(address(version, "q=answer&sort=label&tag=x"))


def test_annotators_see_no_rows(client: Client) -> None:
    client.force_login(make_user("ann", Role.ANNOTATOR))
    version = sealed()
    for name in ("dataset-pairs", "dataset-pairs-download", "dataset-pairs-live"):
        assert client.get(address(version, "", name)).status_code == 403
    assert client.post(address(version, "", "dataset-pair-tags", 0), {"tag": "x"}).status_code == 403


# --- Groups -----------------------------------------------------------------------------------------------------------


def grouped(rows: Sequence[int], groups: Sequence[int | None]) -> DatasetVersion:
    """A version of 60 rows, of which the report found these in these groups."""
    version = sealed()
    columns = {"rule": ["copies"] * len(rows), "row": rows, "group": groups}
    pq.write_table(pa.table(columns), reporting.place_of(version).rows, use_dictionary=["rule"])
    return version


def heads(response: Any) -> list[str]:
    return [" ".join(head.get_text(" ").split()) for head in soup(response).select(".group-head, .group-foot")]


def test_rows_of_a_finding_stand_under_the_number_and_size_of_their_group(client: Client, rita: User) -> None:
    page = client.get(address(grouped([2, 7, 9, 40], [2, 7, 2, None]), "finding=copies"))
    assert listed(page) == [2, 9, 7, 40]
    assert heads(page) == ["Group 2 · 2 rows", "Group 7 · 1 row", "Rows of no group · 1 row"]
    assert "1 to 4 of 4 in 2 groups" in text_of(page)
    links = [urlsplit(str(link["href"])).query for link in soup(page).select(".group-head a")]
    assert links == ["finding=copies&group=2", "finding=copies&group=7"]


def test_rows_of_a_group_that_begin_alike_are_shown_around_the_words_that_differ(client: Client, rita: User) -> None:
    alike = "The harbour of Aro was built by the second council of Pelund, long before the bridge, "
    version = sealed([pair("Q0?", f"{alike}in {n // 2 * 2} days.", f"No {n // 2 * 2}.") for n in range(4)])
    columns = {"rule": ["copies"] * 3, "row": [0, 1, 2], "group": [0, 0, 0]}
    pq.write_table(pa.table(columns), reporting.place_of(version).rows, use_dictionary=["rule"])
    page = soup(client.get(address(version, "finding=copies")))
    lines = [" ".join(line.get_text().split()) for line in page.select("[data-row] .one-line")]
    assert lines[:3] == ["Q0?", "chosen …before the bridge, in 0 days.", "rejected No 0."]
    assert lines[3:6] == lines[:3]
    assert lines[7] == "chosen …before the bridge, in 2 days."
    assert [mark.get_text() for mark in page.select("ins")] == ["0", "0", "2"]
    assert [mark.get_text() for mark in page.select("del")] == ["0", "0", "2"]


def test_a_group_that_a_page_break_cuts_says_so_on_both_pages(client: Client, rita: User) -> None:
    """25 rows a page: 24 rows of group 0, then 30 of group 24: 1 stands on the first page, 25 on the second."""
    version = grouped(list(range(54)), [0] * 24 + [24] * 30)
    first, second, third = (client.get(address(version, f"finding=copies&page={page}")) for page in (1, 2, 3))
    assert heads(first) == ["Group 0 · 24 rows", "Group 24 · 30 rows", "Group 24 continues: 29 more after this page"]
    assert heads(second) == [
        "Group 24 · 30 rows · continued, 1 before this page",
        "Group 24 continues: 4 more after this page",
    ]
    assert heads(third) == ["Group 24 · 30 rows · continued, 26 before this page"]
    [link] = soup(first).select(".group-foot a")
    assert link["href"] == "?finding=copies&page=2"


def test_a_cut_group_says_so_in_the_other_order_too(client: Client, rita: User) -> None:
    version = grouped(list(range(54)), [0] * 24 + [24] * 30)
    page = client.get(address(version, "finding=copies&order=down&page=2"))
    assert heads(page) == [
        "Group 24 · 30 rows · continued, 25 before this page",
        "Group 0 · 24 rows",
        "Group 0 continues: 4 more after this page",
    ]


def test_a_group_of_which_conditions_leave_rows_out_says_how_many(client: Client, rita: User) -> None:
    """Of the rows 2, 3 and 5 of the group, annotator a1 judged those with odd numbers."""
    page = client.get(address(grouped([2, 3, 5], [2, 2, 2]), "finding=copies&annotator=a1"))
    assert heads(page) == ["Group 2 · 2 rows, 1 more not listed here"]
    assert [str(a["href"]) for a in soup(page).select(".group-head a")] == ["?finding=copies&group=2"]


def test_rows_sorted_by_a_score_stand_without_groups(client: Client, rita: User) -> None:
    page = client.get(address(grouped([2, 9], [2, 2]), "finding=copies&sort=label"))
    assert listed(page) == [2, 9]
    assert heads(page) == []


# --- The index --------------------------------------------------------------------------------------------------------


def test_a_large_version_waits_for_its_index_and_is_then_listed(
    client: Client, rita: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "ROWS_AT_ONCE", 10)
    version = sealed()
    assert "An index of the rows is being made" in text_of(client.get(address(version)))
    assert "data-live-done" not in client.get(address(version, "", "dataset-pairs-live")).content.decode()
    making.make_missing()
    assert "data-live-done" in client.get(address(version, "", "dataset-pairs-live")).content.decode()
    assert len(listed(client.get(address(version)))) == 25
    assert not list(version.path.parent.glob(".*"))


def test_how_far_an_index_is_stands_on_the_page(client: Client, rita: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "ROWS_AT_ONCE", 10)
    version = sealed()
    with layout.writing(version.path, 60) as writer:
        writer.say(24)
        assert "24 of 60 rows" in text_of(client.get(address(version)))


def test_an_index_that_cannot_be_made_says_why_and_is_tried_again_when_asked(
    client: Client, rita: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "ROWS_AT_ONCE", 10)
    version = sealed()
    client.get(address(version))
    with monkeypatch.context() as broken:
        broken.setattr(making, "build", lambda path: (_ for _ in ()).throw(OSError(28, "full")))
        making.make_missing()
    assert "The disk is full" in text_of(client.get(address(version)))
    making.make_missing()  # Not by itself.
    assert "The disk is full" in text_of(client.get(address(version)))
    client.post(address(version, "", "dataset-pairs-index"))
    making.make_missing()
    assert len(listed(client.get(address(version)))) == 25


def test_without_room_a_small_version_says_so_too(client: Client, rita: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "ROOM_PER_BYTE", 10**12)
    assert "Make room" in text_of(client.get(address(sealed())))


@pytest.mark.parametrize(
    "asked", [{"rows": [10**30]}, {"rows": [-(10**30)]}, {"group": 10**40}, {"cluster": -(10**40)}]
)
def test_a_filter_with_a_number_that_no_array_holds_is_complained_about(client: Client, rita: User, asked: dict):
    response = client.get(address(sealed()), {"filter": json.dumps(asked)})
    assert response.status_code == 200
    assert "The filter in the address could not be read" in response.content.decode()


def test_nul_reaches_no_database(client: Client, rita: User):
    """PostgreSQL raises an error where NUL stands in a text or in JSON."""
    chosen = Filter(text="a\0", tag="\0", annotator="b\0", bounds=(Bounds(score="noise\0"),))
    assert "\0" not in chosen.model_dump_json()
    assert "\\u0000" not in chosen.model_dump_json()
    version = sealed()
    tags.put(version, [0], "to check", rita)
    tags.take_off(version, [0], "to\0check")
    assert not version.pair_tags.exists()
