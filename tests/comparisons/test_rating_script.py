"""What the rating page's script gets: what became of a judgement, and the items that come next."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from comparisons import assignment as assigning
from comparisons.models import Assignment, AssignmentState, ItemKind, RaterPool, Rating, Study, StudyState
from tests.comparisons.rating_factories import make_rater, make_study, read_guidelines, take
from tests.comparisons.test_checks import make_check

pytestmark = pytest.mark.django_db
SCRIPT = {"accept": "application/json"}


@pytest.fixture
def alice(client):
    rater = make_rater("alice")
    client.force_login(rater)
    return rater


def begin(client, rater) -> str:
    """Read the guidelines and start; the address of the first item, which is shown."""
    read_guidelines(rater)
    url = client.post("/rate/").url
    client.get(url)
    return url


def judge(client, url, choice="a", **fields):
    return client.post(f"{url}submit/", {"choice": choice, "revision": 1} | fields, headers=SCRIPT)


def token_in(html: str) -> str:
    return str(BeautifulSoup(html, "html.parser").select("main")[0]["data-item"])


def fetch_ahead(client, url) -> str:
    """The token of the item that comes after the one at `url`."""
    return token_in(client.post(f"{url}ahead/").json()["ahead"])


def test_the_item_fetched_ahead_is_leased_and_not_shown_yet(client, alice):
    make_study(items=3)
    ahead = fetch_ahead(client, begin(client, alice))
    assignment = Assignment.objects.get(token=ahead)
    assert (assignment.state, assignment.shown_at) == (AssignmentState.OPEN, None)


def test_the_reply_marks_the_shown_item_and_brings_the_one_after_it(client, alice):
    make_study(items=4)
    url = begin(client, alice)
    ahead = fetch_ahead(client, url)
    reply = judge(client, url, showing=ahead).json()
    assert (reply["good"], reply["keeps"], reply["sentence"]) == (True, False, "Saved.")
    assert reply["progress"] == {"judged": 1, "total": 4, "text": "1 of 4"}
    assert reply["undo"] == {"url": f"{url}undo/", "revision": 1}
    assert Assignment.objects.get(token=ahead).shown_at is not None
    assert token_in(reply["ahead"]) not in {ahead, url.split("/")[2]}


def test_a_reply_to_somebody_with_nothing_to_show_brings_the_next_item(client, alice):
    make_study(items=2)
    url = begin(client, alice)
    reply = judge(client, url).json()
    assert Assignment.objects.get(token=token_in(reply["item"])).shown_at is not None


def test_the_last_judgement_leads_home(client, alice):
    make_study(items=1)
    reply = judge(client, begin(client, alice)).json()
    assert reply["go"] == "/rate/"
    assert "Saved." in client.get("/rate/").text


def test_a_shown_item_that_lapsed_is_replaced(client, alice):
    make_study(items=3)
    url = begin(client, alice)
    ahead = fetch_ahead(client, url)
    Assignment.objects.filter(token=ahead).update(lease_until=timezone.now() - timedelta(minutes=1))
    take(make_rater("bob"))
    reply = judge(client, url, showing=ahead).json()
    assert token_in(reply["item"]) != ahead


def test_an_early_judgement_is_refused_with_the_time_that_is_left(client, alice):
    make_study(items=2, design={"minimum_seconds": 30})
    response = judge(client, begin(client, alice))
    reply = response.json()
    assert (response.status_code, reply["good"], reply["keeps"]) == (422, False, True)
    assert 28 <= reply["wait"] <= 30
    assert not Rating.objects.exists()


def test_the_reading_time_of_an_item_fetched_ahead_begins_when_it_is_shown(client, alice):
    make_study(items=3, design={"minimum_seconds": 30})
    url = begin(client, alice)
    ahead = fetch_ahead(client, url)
    Assignment.objects.update(leased_at=timezone.now() - timedelta(minutes=5))
    Assignment.objects.exclude(token=ahead).update(shown_at=timezone.now() - timedelta(minutes=5))
    assert judge(client, url, showing=ahead).json()["good"]
    assert judge(client, f"/rate/{ahead}/").json()["wait"] == 30


def test_a_judgement_sent_again_after_a_lost_answer_is_stored_once(client, alice):
    make_study(items=3)
    url = begin(client, alice)
    ahead = fetch_ahead(client, url)
    replies = [judge(client, url, showing=ahead).json() for _ in range(3)]
    assert [reply["good"] for reply in replies] == [True] * 3
    assert len({token_in(reply["ahead"]) for reply in replies}) == 1
    assert Rating.objects.count() == 1


def test_a_page_older_than_what_happened_since_is_sent_to_the_item(client, alice):
    make_study(items=2)
    url = begin(client, alice)
    response = client.post(f"{url}submit/", {"choice": "a", "revision": 5}, headers=SCRIPT)
    assert (response.status_code, response.json()["go"]) == (422, url)


def test_a_closed_study_leads_home_and_says_so(client, alice):
    make_study(items=3)
    url = begin(client, alice)
    ahead = fetch_ahead(client, url)
    Study.objects.update(state=StudyState.CLOSED)
    assert judge(client, url, showing=ahead).json()["go"] == "/rate/"
    assert "The task was closed before your judgement came." in client.get("/rate/").text


def test_nothing_is_fetched_ahead_around_training(client, alice):
    study = make_study(items=1)
    for _ in range(2):
        make_check(study, ItemKind.TRAINING)
    url = begin(client, alice)
    assert client.post(f"{url}ahead/").json()["ahead"] is None
    assert judge(client, url).json()["go"] == f"{url}feedback/"


def test_training_of_another_study_is_not_fetched_ahead_either(client, alice):
    make_study(items=1)
    make_check(make_study(items=1), ItemKind.TRAINING)
    url = begin(client, alice)
    assert client.post(f"{url}ahead/").json()["ahead"] is None
    assert Assignment.objects.count() == 1


def test_a_guideline_that_changed_meanwhile_comes_before_the_next_item(client, alice):
    study = make_study(items=3)
    url = begin(client, alice)
    ahead = fetch_ahead(client, url)
    study.guidelines.create(number=2, text="Be strict.")
    assert judge(client, url, showing=ahead).json()["go"] == f"/rate/{ahead}/guideline/"
    assert Assignment.objects.get(token=ahead).shown_at is None
    assert Rating.objects.get().guideline.number == 1


def test_somebody_elses_item_is_not_shown_by_naming_it(client, alice):
    make_study(items=4, ratings_per_item=2)
    bobs = take(make_rater("bob"))
    Assignment.objects.update(shown_at=None)
    url = begin(client, alice)
    reply = judge(client, url, showing=bobs.token).json()
    assert token_in(reply["item"]) != bobs.token
    assert Assignment.objects.get(pk=bobs.pk).shown_at is None


@pytest.mark.parametrize("showing", ["", "x" * 5000, "' OR 1=1 --", "\0", "../../admin/"])
def test_a_nonsensical_token_of_the_shown_item_is_as_none(client, alice, showing):
    make_study(items=2)
    assert "item" in judge(client, begin(client, alice), showing=showing).json()


def test_what_stood_on_the_screen_comes_after_an_item_that_was_taken_back(client, alice):
    make_study(items=3)
    url = begin(client, alice)
    ahead = fetch_ahead(client, url)
    judge(client, url, showing=ahead)
    client.post(f"{url}undo/", {"revision": 1})
    assert fetch_ahead(client, url) == ahead
    assert Assignment.objects.get(token=ahead).shown_at is None


# --- What a request costs ---------------------------------------------------------------------------------------------


def statements(run) -> int:
    """How many statements the database is asked, those that begin and end transactions apart."""
    with CaptureQueriesContext(connection) as captured:
        run()
    around = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    return sum(not query["sql"].startswith(around) for query in captured.captured_queries)


def test_the_next_item_and_a_judgement_ask_the_database_little(client, alice):
    """A form's judgement and the page after it, and the script's reply, which is both in one."""
    make_study(items=30, ratings_per_item=2)
    make_study(items=30)
    url = begin(client, alice)
    sent = {"choice": "a", "revision": 1}
    following: list[str] = []
    assert statements(lambda: following.append(client.post(f"{url}submit/", sent).url)) <= 15
    assert statements(lambda: client.get(following[0])) <= 10
    ahead = fetch_ahead(client, following[0])
    assert statements(lambda: judge(client, following[0], showing=ahead)) <= 18


def test_giving_out_costs_the_same_however_many_studies_are_open(client, alice):
    for _ in range(3):
        make_study(items=3)
    url = begin(client, alice)
    few = statements(lambda: client.post(f"{url}ahead/"))
    for _ in range(5):
        make_study(items=3)
    Assignment.objects.filter(shown_at=None).delete()
    assert statements(lambda: client.post(f"{url}ahead/")) == few


def test_the_studies_that_are_drawn_from_are_those_open_to_the_rater(alice):
    """By pools: none asked, one of theirs asked, one of others' asked; by state: paused and closed ones."""
    pools = [RaterPool.objects.create(slug=name, name=name) for name in ("theirs", "others")]
    pools[0].members.add(alice)
    for asked in ([], pools[:1], pools[1:], pools):
        for state in (StudyState.OPEN, StudyState.PAUSED, StudyState.CLOSED):
            make_study(items=1, state=state).pools.set(asked)
    from comparisons.assignment.giving import _open_studies

    expected = list(Study.objects.open_to(alice).order_by("opened_at", "id").values_list("pk", flat=True))
    assert [study.study for study in _open_studies(alice)] == expected
    assert len(expected) == 3


def test_a_total_counts_free_items_as_they_are_given(alice):
    """Of 6 items one is full, one set aside, one judged and one held by alice: 2 are free and her own one waits too."""
    study = make_study(items=6)
    assigning.submit(take(make_rater("bob")), "a", 1)
    study.items.filter(position=1).update(quarantine="Names a policy.")
    assigning.submit(take(alice), "a", 1)
    take(alice)
    progress = assigning.progress(study, alice)
    assert (progress.judged, progress.waiting) == (1, 3)
    assert assigning.free_items(study, alice).count() == 2


def test_the_item_that_is_given_is_the_first_of_the_free_items(alice):
    """Of 7 items with two places each, bob and cyd judged one each, 1 is set aside, alice judged 2, and her lease of 4
    lapsed, which is taken up again once 4 comes first."""
    study = make_study(items=7, ratings_per_item=2)
    items = list(study.items.order_by("position"))
    for rater in ("bob", "cyd"):
        assigning.submit(take(make_rater(rater)), "a", 1)
    from comparisons.assignment.giving import _locked_with_first_free

    study.items.filter(pk=items[1].pk).update(quarantine="Names a policy.")
    for position, state in ((2, AssignmentState.DONE), (4, AssignmentState.EXPIRED)):
        Assignment.objects.create(
            item=items[position], rater=alice, first_is_a=True, state=state, lease_until=timezone.now()
        )
    seen = []
    while given := _locked_with_first_free(study.pk, alice)[1]:
        first = assigning.free_items(study, alice).first()
        assert first is not None
        assert (given.item, (given.first, given.second)) == (first.pk, first.pair)
        seen.append((first.position, given.lapsed is not None))
        study.items.filter(pk=first.pk).update(held=2)
    assert sorted(seen) == [(position, position == 4) for position in (0, 3, 4, 5, 6)]


def test_the_same_judgement_with_another_strength_is_not_told_to_be_saved(client, alice):
    """Its answer was lost, and the rater presses another key: the earlier judgement stands, and that is said."""
    study = make_study(items=2, design={"strength": True})
    url = begin(client, alice)
    assert judge(client, url, "a2").json()["good"]
    assert judge(client, url, "a2").json()["sentence"] == "Saved."
    told = judge(client, url, "a1").json()
    assert not told["good"]
    assert "the earlier judgement stands" in told["sentence"]
    assert list(Rating.objects.filter(assignment__item__study=study).values_list("strength", flat=True)) == [2]


@pytest.mark.parametrize("showing", ["\0", "x" * 100, "a b", "é"])
def test_a_token_that_is_none_is_no_item_that_is_shown(client, alice, showing):
    make_study(items=2)
    url = begin(client, alice)
    assert judge(client, url, showing=showing).json()["sentence"] == "Saved."
