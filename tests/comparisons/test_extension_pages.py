"""The page that extends a study."""

from __future__ import annotations

import pytest
from django.urls import reverse

from comparisons.models import StudyKind, StudyState
from tests.comparisons.rating_factories import make_rater, make_study
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def researcher(client):
    user = make_user("rita")
    client.force_login(user)
    return user


def address(study) -> str:
    return reverse("study-extend", args=[study.slug])


def test_a_study_gets_more_ratings_per_item_and_the_audit_keeps_who_asked(client, researcher):
    study = make_study(items=3, ratings_per_item=2)
    response = client.post(address(study), {"item_limit": study.item_limit, "ratings_per_item": "4"}, follow=True)
    assert "4 ratings of each from now on" in response.text
    study.refresh_from_db()
    assert study.ratings_per_item == 4
    entry = study.audit.get(verb="extended")
    assert (entry.actor, entry.detail) == (researcher, {"ratings_per_item": [2, 4]})


def test_the_form_begins_with_what_the_study_has(client, researcher):
    response = client.get(address(make_study(items=3, ratings_per_item=2)))
    assert response.context["form"]["ratings_per_item"].value() == 2


def test_less_than_it_has_is_refused_with_what_was_sent(client, researcher):
    study = make_study(items=3, ratings_per_item=2)
    response = client.post(address(study), {"item_limit": study.item_limit, "ratings_per_item": "1"})
    assert response.status_code == 422
    assert "It can be extended, not cut short" in response.text
    assert 'value="1"' in response.text


def test_a_study_of_written_prompts_is_not_asked_for_a_number_of_items(client, researcher):
    response = client.get(address(make_study(items=1, kind=StudyKind.ADVERSARIAL)))
    assert "item_limit" not in response.context["form"].fields


def test_a_closed_study_says_that_it_cannot_be_extended(client, researcher):
    study = make_study(items=1, state=StudyState.CLOSED)
    assert "Only an open or paused study can be extended" in client.get(address(study)).text
    assert address(study) not in client.get(study.get_absolute_url()).text


def test_an_open_study_leads_to_the_page(client, researcher):
    study = make_study(items=1)
    assert address(study) in client.get(study.get_absolute_url()).text


def test_annotators_cannot_open_it(client):
    client.force_login(make_rater())
    assert client.get(address(make_study(items=1))).status_code == 403
