"""The home page: the loop with its counts, and what needs attention."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alignapp.accounts.models import Role, User
from comparisons import overview
from comparisons.demo.preparing import preparing
from comparisons.models import (
    Assignment,
    AssignmentState,
    Endpoint,
    EndpointState,
    Item,
    ItemKind,
    ServedPolicy,
    ServedState,
)
from comparisons.studies import progress_of
from tests.comparisons.rating_factories import make_rater, make_study
from tests.comparisons.serving_factories import make_endpoint, make_family
from tests.comparisons.test_checks import make_check
from tests.factories import make_run, make_user, make_version
from training.models import ImportJob, ImportState, Run, RunState

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client: Client) -> Client:
    client.force_login(make_user())
    return client


def sentences() -> list[str]:
    return [thing.sentence for thing in overview.attention()]


def test_annotators_go_straight_to_rating(client: Client):
    client.force_login(make_user(role=Role.ANNOTATOR))
    assert client.get("/").url == reverse("rate")  # type: ignore[attr-defined]


def test_an_empty_installation_shows_the_first_step_at_every_station(researcher: Client):
    page = researcher.get("/").content.decode()
    for step in ("Import pairs", "Launch a run", "Register a model", "Start a study"):
        assert step in page
    assert "Nothing waits for you" in page


def test_the_stations_count_what_is_there(researcher: Client):
    make_run()
    make_endpoint("http://127.0.0.1:1", make_family("base", "alpha-1"))
    study = make_study(items=3)
    judged(study.items.get(position=0), make_rater())
    stations = {station.name: (station.count, station.detail) for station in overview.stations()}
    assert stations["Datasets"] == (1, "100 rows in all versions")
    assert stations["Runs"] == (1, "0 running, 1 waiting")
    assert stations["Policies"][1] == "2 served now"
    assert stations["Studies"] == (1, "1 open for rating")
    assert stations["Ratings"] == (1, "2 still wanted")


def test_as_many_ratings_are_told_as_on_the_overviews_of_studies():
    """Of three comparisons one was set aside, and a check and a repeat are no ratings: 2, and 1 in a closed study."""
    anna, study, over = make_rater("anna"), make_study(items=3), make_study(items=1, state="closed")
    make_check(study, ItemKind.GOLD)
    first, *_ = [judged(item, anna) for item in study.items.all()]
    judged(first.item, anna, repeats=first)
    judged(over.items.get(), anna)
    study.items.filter(position=2).update(quarantine="nobody can read it")
    assert [progress_of(one).ratings for one in (study, over)] == [2, 1]
    assert overview.ratings().count == 3


def judged(item: Item, rater: User, repeats: Assignment | None = None) -> Assignment:
    """The rater has judged the item in time."""
    now = timezone.now()
    values = {"first_is_a": True, "state": AssignmentState.DONE, "lease_until": now, "repeats": repeats}
    return Assignment.objects.create(item=item, rater=rater, **values)


def test_every_station_is_a_link_in_the_order_of_the_loop(researcher: Client):
    page = researcher.get("/").content.decode()
    places = [page.index(f'href="{reverse(name)}"', page.index('id="loop"')) for name in overview_routes()]
    assert places == sorted(places)


def overview_routes() -> list[str]:
    return ["datasets", "runs", "policies", "studies", "rate"]


def test_a_failed_run_needs_attention_until_it_is_queued_again():
    run = make_run()
    Run.objects.update(state=RunState.FAILED, name="DPO", error="Out of memory.", finished_at=timezone.now())
    [thing] = overview.attention()
    assert (thing.sentence, thing.url) == ("DPO: Out of memory.", run.get_absolute_url())
    Run.objects.update(state=RunState.QUEUED)
    assert overview.attention() == []


def test_a_run_with_open_alarms_needs_attention_while_it_trains_and_three_days_afterwards():
    run = make_run()
    Run.objects.update(state=RunState.RUNNING, name="DPO", alarms=["overfitting"])
    [thing] = overview.attention()
    assert (thing.sentence, thing.url) == (
        "DPO is training with 1 open alarm.",
        f"{run.get_absolute_url()}#attention-title",
    )
    Run.objects.update(state=RunState.SUCCEEDED, finished_at=timezone.now(), alarms=["overfitting", "truncation"])
    assert sentences() == ["DPO trained with 2 open alarms."]
    Run.objects.update(finished_at=timezone.now() - timedelta(days=4))
    assert sentences() == []


def test_a_run_without_alarms_is_no_news():
    make_run()
    Run.objects.update(state=RunState.RUNNING)
    assert sentences() == []


def test_a_failed_import_needs_attention_until_its_dataset_gets_a_version():
    dataset = make_version().dataset
    ImportJob.objects.create(dataset=dataset, filename="a.jsonl", state=ImportState.FAILED, error="Not JSON.")
    assert sentences() == ["The import of a.jsonl failed. Not JSON."]
    make_version(dataset)
    assert sentences() == []


def test_an_engine_that_is_down_and_a_policy_that_is_not_served_need_attention():
    family = make_family("base", "alpha-1")
    make_endpoint("http://127.0.0.1:1", family)
    assert sentences() == []
    ServedPolicy.objects.filter(policy=family[1]).update(state=ServedState.FAILED, error="Rank too high.")
    Endpoint.objects.update(state=EndpointState.DOWN, error="vLLM ended.")
    assert sentences() == ["The engine for The base policy does not serve. vLLM ended.", "Rank too high."]


def test_studies_that_wait_for_raters_or_for_closing_or_for_an_engine_need_attention():
    make_study(items=2, name="Waiting")
    make_study(items=1, name="Stuck", state="generating", error="vLLM is down.")
    complete = make_study(items=1, name="Complete")
    judged(complete.items.get(), make_rater())
    assert sentences() == [
        "Stuck: vLLM is down.",
        "Waiting waits for raters: 0 of 2 ratings are there.",
        "Complete has all its 1 ratings. Close it to see who won.",
    ]


def test_what_the_demo_does_while_it_is_being_set_up_stands_on_the_page(researcher: Client):
    def demo_line() -> str:
        found = BeautifulSoup(researcher.get(reverse("home-live")).content, "html.parser").select_one("#demo")
        assert found
        return "" if found.has_attr("hidden") else found.get_text(" ", strip=True)

    assert demo_line() == ""
    with preparing(lambda _: None) as tell:
        assert demo_line() == "The demo is being set up. It begins now."
        tell("Islands base: training, step 120 of 400")
        assert demo_line() == "The demo is being set up. Islands base: training, step 120 of 400"
    assert demo_line() == ""


def test_the_live_part_holds_loop_and_attention_and_nothing_around_them(researcher: Client):
    page = researcher.get(reverse("home-live")).content.decode()
    assert 'id="loop"' in page
    assert 'id="attention"' in page
    assert "<html" not in page


def test_the_page_needs_a_bounded_number_of_queries(researcher: Client, django_assert_max_num_queries: Any):
    for _ in range(4):
        make_study(items=2)
    with django_assert_max_num_queries(32):
        researcher.get("/")
