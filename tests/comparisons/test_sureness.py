"""How sure a result is, computed by a worker where there are many judgements."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from comparisons import sureness
from comparisons.models import Study, StudyState, SurenessJob
from comparisons.results import Look
from comparisons.results.robustness import Question, Robustness, robustness
from comparisons.results.robustness_json import as_json, from_json
from comparisons.sureness import how_sure
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, prefer
from tests.factories import make_policy, make_user
from training import jobs
from training.models import JobState

pytestmark = pytest.mark.django_db


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    """Closed, with more judgements than a page asks itself: two people on six items, one policy wins five."""
    monkeypatch.setattr(sureness, "QUICK", 5)
    monkeypatch.setattr(jobs, "SECONDS_BETWEEN_HEARTBEATS", 60)
    one, other = make_policy(), make_policy()
    study = make_study(items=6, policies=[one, other], ratings_per_item=2)
    for _ in range(2):
        judge_all(study, make_rater(), lambda given: prefer(other if given.item.position == 0 else one)(given))
    Study.objects.filter(pk=study.pk).update(state=StudyState.CLOSED)
    return study


def page(client: Client, study: Study, address: str = "") -> str:
    client.force_login(make_user())
    return client.get(reverse("study-robustness", args=[study.slug]) + address).content.decode()


def test_what_a_worker_stored_is_what_the_page_would_have_computed(study: Study):
    asked = how_sure(study, Look(), None)
    assert isinstance(asked, SurenessJob)
    sureness.work()
    assert how_sure(study, Look(), None) == robustness(study)


def test_everything_survives_as_json(study: Study):
    found, contenders = robustness(study), {contender.pk: contender for contender in study.contenders.all()}
    assert from_json(json.loads(json.dumps(as_json(found), allow_nan=False)), contenders) == found
    nothing = Robustness([], [], [], [], [], 0)
    assert from_json(as_json(nothing), contenders) == nothing


def test_the_page_says_how_far_it_is_and_then_shows_the_answer(study: Study, client: Client):
    assert "A worker takes it up as soon as one is free." in page(client, study)
    job = SurenessJob.objects.get()
    sureness.work()
    assert "data-live-done" in client.get(reverse("sureness-live", args=[job.pk])).content.decode()
    assert "At equal style" in page(client, study)


def test_asked_twice_it_is_one_job_and_another_part_is_another(study: Study, client: Client):
    page(client, study)
    page(client, study)
    assert SurenessJob.objects.count() == 1
    page(client, study, "?ties=halves")
    assert SurenessJob.objects.count() == 2


def test_a_job_that_failed_says_why_and_can_be_asked_again(
    study: Study, client: Client, monkeypatch: pytest.MonkeyPatch
):
    page(client, study)
    with monkeypatch.context() as broken:
        broken.setattr(Question, "answer", lambda self: 1 / 0)
        sureness.work()
    assert "stopped on an unexpected error (ZeroDivisionError)" in page(client, study)
    assert client.post(reverse("study-robustness", args=[study.slug])).status_code == 302
    sureness.work()
    assert SurenessJob.objects.filter(state=JobState.SUCCEEDED).exists()
    assert "At equal style" in page(client, study)


def test_the_worker_looks_at_the_part_that_was_asked_for(study: Study):
    rater = study.items.first().assignments.first().rater_id
    look = Look(stratum="other", excluded=frozenset({rater}))
    assert isinstance(how_sure(study, look, None), SurenessJob)
    sureness.work()
    found = how_sure(study, look, None)
    assert isinstance(found, Robustness)
    assert found.votes == 6
