"""Pages of campaigns: one thing to do next at every stage, safe to press twice."""

from __future__ import annotations

import threading

import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import Role
from comparisons import sealing
from comparisons.models import Campaign, Round, Study
from tests.comparisons.campaigns.material import finish, make_campaign, make_suite, rate, train
from tests.factories import make_policy, make_user, make_version
from training.models import Run, RunState

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)


@pytest.fixture
def researcher(client):
    user = make_user("rita")
    client.force_login(user)
    return user


@pytest.fixture
def campaign():
    return make_campaign()


def page_of(client, campaign):
    response = client.get(campaign.get_absolute_url())
    assert response.status_code == 200
    return BeautifulSoup(response.content, "html.parser")


def primary(client, campaign):
    """The words of the one primary button or link of the page."""
    [button] = page_of(client, campaign).select("main .button.primary")
    return button.get_text(strip=True)


def step(client, campaign, name, number=1, **sent):
    return client.post(reverse(f"campaign-{name}", args=[campaign.slug, number]), sent)


def launch(client, campaign, number=1):
    return step(client, campaign, "launch", number, override_reason="made by a test")


def test_without_campaigns_the_list_says_what_they_are_for(client, researcher):
    page = client.get(reverse("campaigns")).text
    assert "No campaigns yet" in page
    assert 'aria-current="page">Campaigns' in page


def test_every_stage_has_one_thing_to_do_next(client, researcher, campaign):
    found = [primary(client, campaign)]
    launch(client, campaign)
    assert page_of(client, campaign).select("main .button.primary") == []
    Run.objects.update(state=RunState.FAILED)
    found.append(primary(client, campaign))
    train(campaign.rounds.get())
    found.append(primary(client, campaign))
    step(client, campaign, "study")
    found.append(primary(client, campaign))
    study = Study.objects.get()
    rate(study, study.contenders.get(policy__method="dpo").policy)
    found.append(primary(client, campaign))
    step(client, campaign, "data", dataset="x", to="alone", action="make")
    found.append(primary(client, campaign))
    sealing.work()
    found.append(primary(client, campaign))
    assert found == [
        "Launch 2 runs",
        "Queue them again",
        "Start the study",
        "Open the study",
        "Make the data of round 2",
        "See how far it is",
        "Launch 2 runs",
    ]
    assert "Round 2" in page_of(client, campaign).h1.text


def test_the_gain_is_told_in_a_picture_and_a_table_once_a_study_is_closed(client, researcher, campaign):
    assert "Shown when the study of the first round is closed" in page_of(client, campaign).text
    launch(client, campaign)
    train(campaign.rounds.get())
    step(client, campaign, "study")
    study = Study.objects.get()
    rate(study, study.contenders.get(policy__method="dpo").policy)
    page = page_of(client, campaign)
    assert len(page.select("svg.picture g.mark")) == 2
    row = " ".join(page.select_one("table tbody tr").text.split())
    assert row.startswith("1 DPO on")
    assert "100 %" in row
    assert row.endswith("12 held prompts")


def test_a_launch_that_needs_a_reason_asks_for_it_and_loses_nothing(client, researcher, campaign):
    assert "Why launch them all the same" in page_of(client, campaign).text
    response = step(client, campaign, "launch")
    assert response.status_code == 422
    assert "Say why the runs are to be launched all the same" in response.text
    assert not Run.objects.exists()


@pytest.mark.parametrize("name", ["launch", "study"])
def test_pressing_twice_does_it_once(client, researcher, campaign, name):
    for _ in range(2):
        launch(client, campaign)
    if name == "study":
        train(campaign.rounds.get())
        answers = [step(client, campaign, "study") for _ in range(2)]
        assert answers[0].url == answers[1].url
        assert Study.objects.count() == 1
    assert Run.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_people_who_press_at_once_start_one_study():
    campaign = make_campaign()
    client = Client()
    client.force_login(make_user("rita"))
    launch(client, campaign)
    train(campaign.rounds.get())
    start = threading.Barrier(4)

    def press() -> None:
        mine = Client()
        mine.force_login(make_user())
        start.wait()
        step(mine, campaign, "study")
        connection.close()

    people = [threading.Thread(target=press) for _ in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert Study.objects.count() == 1
    assert Round.objects.get().study == Study.objects.get()


def test_a_study_before_its_time_is_refused_with_a_sentence(client, researcher, campaign):
    launch(client, campaign)
    response = client.post(reverse("campaign-study", args=[campaign.slug, 1]), follow=True)
    assert "Not all runs of this round have succeeded" in response.text


def test_data_is_counted_before_it_is_made_and_there_is_none_before_the_study_is_closed(client, researcher, campaign):
    address = reverse("campaign-data", args=[campaign.slug, 1])
    assert client.get(address).status_code == 404
    launch(client, campaign)
    train(campaign.rounds.get())
    step(client, campaign, "study")
    study = Study.objects.get()
    rate(study, study.contenders.get(policy__method="cpo").policy)
    page = client.get(address).text
    assert "Its prompt is held for evaluation" in page
    response = client.post(address, {"to": "alone", "minimum": "9", "action": "make"})
    assert response.status_code == 422
    assert "This rule makes no pair of the 36 items" in response.text
    assert client.post(address, {"to": "alone", "action": "count"}).status_code == 200
    assert Round.objects.count() == 1
    job = client.post(address, {"to": "alone", "action": "make"}).url
    assert client.post(address, {"to": "join", "action": "make"}).url == client.get(address).url == job
    assert Round.objects.count() == 1
    sealing.work()
    assert f'href="{campaign.get_absolute_url()}">Go on with round 2' in client.get(job).text
    assert client.get(address).url == campaign.get_absolute_url()
    assert Round.objects.count() == 2


def test_what_changes_by_itself_is_looked_at_again_until_there_is_something_to_do(client, researcher, campaign):
    launch(client, campaign)
    page = page_of(client, campaign)
    assert page.select_one("[data-live-url]")["data-live-url"] == reverse("campaign-live", args=[campaign.slug])
    assert not page.select("[data-live-done]")
    for run in campaign.rounds.get().runs.all():
        finish(run)
    live = BeautifulSoup(client.get(reverse("campaign-live", args=[campaign.slug])).content, "html.parser")
    assert live.select_one("#next[data-live-done]")
    assert "Start the study" in live.text
    assert live.select_one("#campaign-round").text == "Round 1"


def sent(**fields):
    values = {
        "name": "Ferries",
        "methods": ["dpo", "rlhf"],
        "source": "small-model",
        "equal": "answers",
        "passes": "2",
        "batch_size": "32",
        "seed": "0",
        "item_limit": "0",
        "ratings_per_item": "1",
        "temperature": "0.7",
        "max_tokens": "64",
        "top_p": "1",
        "selection": "balanced",
        "uniform_share": "30",
        "cut_off": "any",
        "minimum_seconds": "0",
        "sitting_minutes": "0",
        "training_share_right": "0",
        "check_share": "0",
        "attention_items": "0",
        "repeat_share": "0",
        "stop_votes": "30",
        "hourly_pay": "0",
    }
    return values | fields


def test_a_campaign_is_made_from_one_form(client, researcher):
    base, data, suite = make_policy(), make_version(), make_suite("Collected")
    response = client.post(
        reverse("campaign-new"), sent(base=base.pk, dataset_version=data.pk, suites=[suite.pk], guideline="Be fair.")
    )
    made = Campaign.objects.get()
    assert response.url == made.get_absolute_url()
    assert [one["method"] for one in made.launches] == ["dpo", "rlhf"]
    assert made.launches[0]["config"]["beta"] == 0.5
    assert (made.budget["passes"], made.rating["sampling"]["max_tokens"]) == (2.0, 64)
    assert made.rounds.get().data == data
    assert "No suite of this campaign is held for evaluation" in client.get(response.url).text


@pytest.mark.parametrize("held,said", [(True, "no round would give data"), (None, "Choose at least one suite")])
def test_a_form_that_makes_no_campaign_says_why_and_keeps_what_was_written(client, researcher, held, said):
    suite = make_suite("Measured", held=bool(held))
    suites = [] if held is None else [suite.pk]
    response = client.post(
        reverse("campaign-new"),
        sent(name="Very special", base=make_policy().pk, dataset_version=make_version().pk, suites=suites),
    )
    assert response.status_code == 422
    assert said in response.text
    assert 'value="Very special"' in response.text
    assert not Campaign.objects.exists()


def test_without_a_suite_the_form_leads_to_one(client, researcher):
    assert "There is no suite of prompts yet" in client.get(reverse("campaign-new")).text


@pytest.mark.parametrize(
    "name,number", [("campaigns", None), ("campaign-new", None), ("campaign", None), ("campaign-data", 1)]
)
def test_annotators_see_no_campaigns(client, campaign, name, number):
    client.force_login(make_user(role=Role.ANNOTATOR))
    arguments = [] if name in {"campaigns", "campaign-new"} else [campaign.slug, *([number] if number else [])]
    assert client.get(reverse(name, args=arguments)).status_code == 403


def test_the_list_tells_what_is_next_with_a_number_of_queries_that_grows_by_campaign_alone(
    client, researcher, campaign
):
    page = client.get(reverse("campaigns"))
    assert "Launch the runs of this round" in page.text


def test_settings_that_no_run_can_have_any_more_are_told(client, researcher, campaign):
    campaign.launches = [{"method": "dpo", "config": {"long_gone": 1}}]
    campaign.save()
    assert "The runs of this round cannot be launched" in page_of(client, campaign).text
    launch(client, campaign)
    assert not Run.objects.exists()
