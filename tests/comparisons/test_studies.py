"""Pages of studies and serving: making one, following it, steering it; and what they never tell."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alignapp.accounts.models import Role
from comparisons.generation import generate
from comparisons.models import (
    Assignment,
    AssignmentState,
    Endpoint,
    EndpointState,
    Item,
    ServedPolicy,
    ServedState,
    StudyState,
)
from comparisons.studies import move, progress_of
from tests.comparisons.rating_factories import make_rater, make_study
from tests.comparisons.scripted_engine import ScriptedEngine
from tests.comparisons.serving_factories import make_endpoint, make_family, make_waiting_study
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client: Client) -> Client:
    client.force_login(make_user())
    return client


def judge(item: Item) -> None:
    """One counted judgement of the item."""
    Assignment.objects.create(
        item=item, rater=make_rater(), first_is_a=True, state=AssignmentState.DONE, lease_until=timezone.now()
    )


# --- Moves ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state, verb, after",
    [
        ("open", "pause", "paused"),
        ("paused", "reopen", "open"),
        ("open", "close", "closed"),
        ("paused", "close", "closed"),
        ("generating", "close", "closed"),
        ("failed", "retry", "generating"),
        ("closed", "reopen", None),
        ("closed", "close", None),
        ("generating", "pause", None),
        ("open", "retry", None),
    ],
)
def test_a_study_moves_only_along_its_diagram(state: str, verb: str, after: str | None):
    study = make_study(state=state)
    assert move(study, verb) == (after is not None)
    study.refresh_from_db()
    assert study.state == (after or state)
    assert (study.closed_at is not None) == (after == "closed")


def test_a_click_that_comes_too_late_is_told(researcher: Client):
    study = make_study(state="closed")
    page = researcher.post(reverse("study-pause", args=[study.slug]), follow=True).content.decode()
    assert "The study was closed before your click came; nothing was changed." in page


# --- Following one ----------------------------------------------------------------------------------------------------


def test_a_generating_study_counts_its_answers_live(researcher: Client):
    engine = ScriptedEngine("base", "alpha-1")
    family = make_family("base", "alpha-1")
    make_endpoint(engine.url, family)
    study = make_waiting_study(family, "What is base?", "What is alpha-1?", "And the base of alpha-1?")
    live = reverse("study-live", args=[study.slug])
    assert "0 of 6 answers" in researcher.get(live).content.decode()
    generate(study.pk)
    engine.stop()
    after = researcher.get(live).content.decode()
    assert "Open for rating" in after
    assert "0 of 3 ratings" in after


def test_a_study_that_waits_shows_the_sentence(researcher: Client):
    study = make_study(state="generating", error="vLLM does not answer. It goes on by itself.")
    for name in ("study", "study-live"):
        page = researcher.get(reverse(name, args=[study.slug])).content.decode()
        assert "vLLM does not answer. It goes on by itself." in page


def test_counts_of_items_ratings_and_raters(researcher: Client):
    study = make_study(items=4, ratings_per_item=2)
    Item.objects.filter(position=3).update(quarantine="Identical answers")
    for item in study.items.filter(position__lt=2):
        judge(item)
    progress = progress_of(study)
    assert (progress.items, progress.set_aside, progress.quarantined) == (3, 1, [("Identical answers", 1)])
    assert (progress.ratings, progress.ratings_wanted, progress.raters) == (2, 6, 2)


def test_what_was_set_aside_is_shown_with_its_reason(researcher: Client):
    study = make_study(items=3)
    Item.objects.filter(position=1).update(quarantine="An answer names a method ('DPO')")
    url = study.get_absolute_url()
    assert "answer 1 of 0" not in researcher.get(url).content.decode()
    page = researcher.get(url, {"show": "set-aside"}).content.decode()
    assert "An answer names a method (&#x27;DPO&#x27;)" in page
    assert "answer 1 of 0" in page


def test_an_open_study_does_not_tell_which_policy_wrote_which_answer_or_who_leads(researcher: Client):
    """The items' table holds neither names nor ids of policies; results are linked only after closing."""
    study = make_study(items=2)
    page = researcher.get(study.get_absolute_url()).content.decode()
    table = page[page.index('id="items"') :]
    for contender in study.contenders.all():
        assert contender.policy.name not in table
        assert contender.policy.served_name not in table
    assert reverse("study-results", args=[study.slug]) not in page


def test_a_closed_study_leads_to_its_results(researcher: Client):
    study = make_study(state="closed")
    assert reverse("study-results", args=[study.slug]) in researcher.get(study.get_absolute_url()).content.decode()


def test_items_come_in_pages(researcher: Client):
    study = make_study(items=30)
    page = researcher.get(study.get_absolute_url(), {"page": 2}).content.decode()
    assert "26 to 30 of 30" in page


def test_the_list_needs_no_more_queries_for_more_studies(researcher: Client, django_assert_max_num_queries: Any):
    for _ in range(6):
        make_study(items=2)
    with django_assert_max_num_queries(11):
        page = researcher.get(reverse("studies")).content.decode()
    assert page.count("0 of 2") == 6


# --- Serving ----------------------------------------------------------------------------------------------------------


def test_the_serving_page_tells_what_is_up_and_what_is_wrong(researcher: Client):
    family = make_family("base", "alpha-1", "beta-2")
    make_endpoint("http://127.0.0.1:8100", family)
    ServedPolicy.objects.filter(policy=family[2]).update(state=ServedState.FAILED, error="Its rank is too high.")
    page = researcher.get(reverse("serving")).content.decode()
    assert "vLLM 0.0" in page
    assert "http://127.0.0.1:8100" in page
    assert "Its rank is too high." in page


def test_an_engine_that_is_down_is_shown_with_its_reason(researcher: Client):
    make_endpoint("http://127.0.0.1:8100", make_family("base"))
    Endpoint.objects.update(state=EndpointState.DOWN, error="vLLM ended with status 137.")
    for query in ({}, {"live": ""}):
        page = researcher.get(reverse("serving"), query).content.decode()
        assert "vLLM ended with status 137." in page
        assert 'data-state="up"' not in page


def test_without_an_engine_the_page_says_how_to_start_one(researcher: Client):
    assert "manage.py serve_policies" in researcher.get(reverse("serving")).content.decode()


# --- Who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["study", "study-live", "study-pause", "study-reopen", "study-retry", "study-close"])
def test_annotators_neither_see_nor_steer_a_study(client: Client, name: str):
    study = make_study()
    client.force_login(make_user(role=Role.ANNOTATOR))
    assert client.post(reverse(name, args=[study.slug])).status_code == 403
    assert client.get(reverse(name, args=[study.slug])).status_code == 403
    study.refresh_from_db()
    assert study.state == StudyState.OPEN


@pytest.mark.parametrize("name", ["studies", "study-new", "serving", "home-live"])
def test_annotators_see_none_of_the_other_pages(client: Client, name: str):
    client.force_login(make_user(role=Role.ANNOTATOR))
    assert client.get(reverse(name)).status_code == 403
