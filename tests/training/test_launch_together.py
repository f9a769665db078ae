"""The page that launches several methods at once: equal budgets, the guard, all runs or none."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.urls import reverse

from alignapp.accounts.models import Role
from tests.factories import make_run, make_user
from tests.training.launch_material import base_on_disk
from tests.training.preferences.pairs import pair
from training.config import Method
from training.launching import together
from training.launching.budgets import Budget, Equal
from training.launching.presets import SMALL
from training.models import Run, RunState
from training.preferences import importing, reporting
from training.runs import queue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_was_quick")]
URL = "/runs/new/together/"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


@pytest.fixture
def researcher(client):
    user = make_user("rita")
    client.force_login(user)
    return user


@pytest.fixture
def base():
    return base_on_disk(settings.HOME / "model")


@pytest.fixture
def sound():
    """Forty pairs against which no finding speaks."""
    pairs = [pair(f"p{n}", f"a{n}" + "!" * (n % 2), f"b{n}" + "!" * (1 - n % 2)) for n in range(40)]
    version = importing.seal(importing.dataset_named("Islands"), pairs, {})
    assert reporting.report_of(version) is not None
    return version


def unread():
    """A version whose report nobody has made yet."""
    return importing.seal(importing.dataset_named("New"), [pair(f"p{n}") for n in range(20)], {})


def sent(client, version, base, **more):
    """What a browser sends of the page as it is filled in."""
    page = BeautifulSoup(client.get(URL, {"dataset_version": version.pk, "base": base.pk}).content, "html.parser")
    form = page.select_one("form#together")
    fields: dict[str, Any] = {}
    for control in form.select("input, select, textarea"):
        if control.get("type") in {"checkbox", "radio"} and not control.has_attr("checked"):
            continue
        value = control.get("value", "") if control.name == "input" else control.text
        if control.name == "select":
            value = [*control.select("[selected]"), *control.select("option")][0]["value"]
        fields.setdefault(str(control["name"]), []).append(value)
    return fields | more


def page_of(client, version) -> str:
    return client.get(URL, {"dataset_version": version.pk}).text


def test_one_click_queues_dpo_constrained_cpo_and_rlhf_with_the_same_budget(client, researcher, base, sound):
    response = client.post(URL, sent(client, sound, base))
    runs = {run.method: run for run in Run.objects.all()}
    assert set(runs) == {"dpo", "cpo", "rlhf"}
    assert response.url.startswith(reverse("run-compare"))
    assert {run.base for run in runs.values()} == {base}
    assert {run.dataset_version for run in runs.values()} == {sound}
    assert {(run.config["seed"], run.config["max_steps"]) for run in runs.values()} == {
        (0, runs["dpo"].config["max_steps"])
    }
    assert (runs["dpo"].config["batch_size"], runs["rlhf"].config["batch_size"]) == (32, 16)
    assert {run.override_reason for run in runs.values()} == {""}


def test_the_page_of_a_version_leads_there_with_everything_filled_in(client, researcher, base, sound):
    make_run(base=base)
    page = BeautifulSoup(client.get(sound.get_absolute_url()).content, "html.parser")
    [link] = page.select('a[href^="/runs/new/together/"]')
    target = client.get(str(link["href"])).text
    assert "DPO and Constrained CPO take the same" in target
    assert "RLHF takes as many steps, each on 16 prompts and 64 sampled answers (as many)" in target


def test_labels_are_smoothed_by_what_judges_got_wrong_if_that_is_ticked(client, researcher, base, sound):
    """Offered for a version whose makers know the share; RLHF's reward model has no such setting."""
    assert "Judges were wrong" not in page_of(client, sound)
    sound.origin = {"label_smoothing": 0.12, "wrong_labels": "12 % [9, 15]"}
    sound.save()
    assert "Judges were wrong in about 12 % [9, 15] of these labels" in page_of(client, sound)
    client.post(URL, sent(client, sound, base, smooth="on"))
    assert {run.method: run.config.get("label_smoothing") for run in Run.objects.all()} == {
        "dpo": 0.12,
        "cpo": 0.12,
        "rlhf": None,
    }


def test_labels_are_not_smoothed_unless_asked(client, researcher, base, sound):
    sound.origin = {"label_smoothing": 0.12, "wrong_labels": "12 % [9, 15]"}
    sound.save()
    client.post(URL, sent(client, sound, base))
    assert Run.objects.get(method="dpo").config["label_smoothing"] == 0.0


def test_sending_twice_queues_once(client, researcher, base, sound):
    fields = sent(client, sound, base)
    answers = [client.post(URL, fields) for _ in range(2)]
    assert answers[0].url == answers[1].url
    assert Run.objects.count() == 3


def test_data_that_nobody_has_looked_at_asks_for_a_reason_which_every_run_keeps(client, researcher, base, monkeypatch):
    monkeypatch.setattr(reporting, "report_of", reporting.stored_report)
    version = unread()
    fields = sent(client, version, base)
    refused = client.post(URL, fields)
    assert refused.status_code == 422
    assert "Say why the runs are to be launched all the same" in refused.text
    assert not Run.objects.exists()
    client.post(URL, fields | {"override_reason": "A trial."})
    assert {run.override_reason for run in Run.objects.all()} == {"A trial."}


def test_a_refusal_queues_none(client, researcher, base, sound, monkeypatch):
    create = queue.create

    def refuse_the_last(**values):
        if values["method"] == Method.RLHF:
            raise queue.Refused("There is no room.")
        return create(**values)

    fields = sent(client, sound, base)
    monkeypatch.setattr(queue, "create", refuse_the_last)
    response = client.post(URL, fields)
    assert response.status_code == 422
    assert "There is no room." in response.text
    assert not Run.objects.exists()


def test_counting_again_shows_the_plans_and_queues_nothing(client, researcher, base, sound):
    response = client.post(URL, sent(client, sound, base) | {"passes": "10", "action": "count"})
    assert response.status_code == 200
    assert f"take the same {-(-sound.train_rows * 10 // 32)} optimizer steps" in response.text
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "fault",
    [{"methods": []}, {"passes": "0"}, {"passes": "nan"}, {"base": "99999"}, {"dataset_version": "x"}, {"seed": "-1"}],
)
def test_nonsense_is_refused(client, researcher, base, sound, fault):
    response = client.post(URL, sent(client, sound, base) | fault)
    assert response.status_code == 422
    assert not Run.objects.exists()


def test_annotators_are_refused(client):
    client.force_login(make_user(role=Role.ANNOTATOR))
    assert client.get(URL).status_code == 403


def test_settings_come_from_the_latest_run_that_succeeded_from_this_base(base):
    run = make_run(method="dpo", config={"beta": 0.7, "learning_rate": 0.002}, base=base)
    Run.objects.filter(pk=run.pk).update(state=RunState.SUCCEEDED)
    make_run(method="dpo", config={"beta": 0.9}, base=base)
    found = together.recipes([Method.DPO, Method.CPO], base, together.LATEST)
    assert found[Method.DPO]["beta"] == 0.7
    assert found[Method.CPO]["beta"] == 0.5  # the preset of a small model


def test_what_is_equal_is_told_by_time_too(base, sound):
    budget = Budget(passes=40, equal=Equal.TIME)
    recipes = together.recipes(together.TOGETHER, base, SMALL)
    made = together.plans(recipes, budget, base, sound)
    steps = {plan.method: plan.config.max_steps for plan in made}
    told = together.equality(made, budget)
    assert f"RLHF takes {steps[Method.RLHF]} of {steps[Method.DPO]} steps" in told
    assert steps[Method.RLHF] < steps[Method.DPO]
