"""The report as a page: verdicts, findings, their links, progress, errors, settings, JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from alignapp.accounts.models import Role
from tests.factories import make_user
from tests.training.preferences.pairs import pair
from training.models import DatasetVersion
from training.preferences import importing, reporting
from training.preferences.checks.findings import Family, Finding, Harm, Level
from training.views.reports import _verdicts

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_was_quick")]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


@pytest.fixture
def rita(client):
    client.force_login(make_user("rita"))
    return client


def sealed(pairs=None) -> DatasetVersion:
    sound = [pair(f"p{n}", f"a{n}" + "!" * (n % 2), f"b{n}" + "!" * (1 - n % 2)) for n in range(100)]
    return importing.seal(importing.dataset_named("Islands"), pairs or sound, {})


def contradictory() -> DatasetVersion:
    """Every pair contradicts another, and one text holds markup."""
    answers = ("<script>alert(1)</script>", "evil")
    return sealed([pair(f"p{n}", *(answers if way else answers[::-1])) for n in range(10) for way in (0, 1)])


def parsed(response):
    return BeautifulSoup(response.content, "html.parser")


def at(name: str, version: DatasetVersion) -> str:
    return reverse(name, args=[version.dataset.slug, version.number])


def methods_of(verdict) -> list[str]:
    return [method["data-method"] for method in verdict.select("h3 .method")]


def test_every_family_has_its_verdict_and_what_is_the_same_for_all_is_said_once(rita):
    page = parsed(rita.get(contradictory().get_absolute_url()))
    [verdict] = page.select(".verdicts > li")
    assert (verdict["data-verdict"], methods_of(verdict)) == ("do_not_train", ["dpo", "cpo", "rlhf"])
    [reason] = verdict.select(".reasons a")
    assert page.select_one(reason["href"]) is not None


def test_families_with_other_verdicts_or_reasons_stand_apart(rita):
    """A base that ranks the pairs wrongly is a warning for DPO alone."""
    version = sealed()
    page = parsed(rita.get(version.get_absolute_url()))
    [verdict] = page.select(".verdicts > li")
    assert verdict["data-verdict"] == "safe"
    report = reporting.report_of(version)
    assert report is not None
    stops_early = {Family.DPO: Harm(Level.WARNING, "It stops early.")}
    alone = Finding("reference", "The base ranks them wrongly.", stops_early, "", (), 1, 2, None, ())
    found = _verdicts(replace(report, findings=(*report.findings, alone)))
    assert [(families, said.value) for families, said, _ in found] == [
        ([Family.DPO], "needs_attention"),
        ([Family.CPO, Family.RLHF], "safe"),
    ]


def test_a_finding_says_what_it_means_for_each_family_and_leads_to_rows_and_actions(rita):
    version = contradictory()
    finding = parsed(rita.get(version.get_absolute_url())).select_one("#finding-contradictions")
    assert len(finding.select(".harms dd")) == 3
    links = [link["href"] for link in finding.select(".actions a")]
    assert f"{at('dataset-pairs', version)}?finding=contradictions" in links
    assert f"{at('dataset-clean', version)}?rule=contradictions&action=drop" in links


def test_a_report_that_is_not_made_shows_how_far_it_is(rita, monkeypatch):
    monkeypatch.setattr(reporting, "report_of", reporting.stored_report)
    version = sealed()
    DatasetVersion.objects.update(report_heartbeat_at=timezone.now(), report_stage="3 of 9: near duplicates")
    page = parsed(rita.get(version.get_absolute_url()))
    assert (page.select_one("progress")["value"], page.select_one("progress")["max"]) == ("3", "9")
    assert page.select_one(f"[data-live-url='{at('dataset-report-live', version)}']") is not None
    assert "near duplicates" in page.select_one("#report-state").get_text()
    DatasetVersion.objects.update(report_heartbeat_at=None)
    reporting.make_missing()
    live = parsed(rita.get(at("dataset-report-live", version)))
    assert live.select_one("#report-state[data-live-done]") is not None
    assert "Show the findings" in live.get_text()


def test_a_report_that_failed_says_why_and_is_made_when_asked(rita):
    version = sealed()
    DatasetVersion.objects.update(report_error="The disk is full. <b>")
    page = rita.get(version.get_absolute_url()).content.decode()
    assert "The disk is full. &lt;b&gt;" in page
    rita.post(at("dataset-report-again", version))
    assert "Fit to train on?" in rita.get(version.get_absolute_url()).content.decode()


def test_the_report_comes_as_json_with_the_verdicts(rita):
    response = rita.get(at("dataset-report-json", contradictory()))
    found = json.loads(response.content)
    assert found["verdicts"]["dpo"] == {"verdict": "do_not_train", "because": ["contradictions"]}
    assert "attachment" in response["Content-Disposition"]


def test_there_is_no_json_of_a_report_that_is_not_made(rita, monkeypatch):
    monkeypatch.setattr(reporting, "report_of", reporting.stored_report)
    assert rita.get(at("dataset-report-json", sealed())).status_code == 404


def test_other_settings_ask_for_another_report(rita):
    version = sealed()
    rita.get(version.get_absolute_url())
    address = at("dataset-report-settings", version)
    assert rita.post(address, {"max_length": "0"}).status_code == 422
    assert rita.post(address, {"max_length": "256", "tokenizer": "/etc"}).status_code == 422
    assert rita.post(address, {"max_length": "256"}).url == version.get_absolute_url()
    version.refresh_from_db()
    assert version.report_settings["max_length"] == 256


def test_an_annotator_sees_no_report(client):
    version = sealed()
    client.force_login(make_user("ann", Role.ANNOTATOR))
    names = ("dataset-version", "dataset-report-json", "dataset-report-live", "dataset-report-settings")
    assert {client.get(at(name, version)).status_code for name in names} == {403}
    assert client.post(at("dataset-report-again", version)).status_code == 403


def test_the_page_asks_the_database_equally_often_however_many_findings(
    rita, monkeypatch, django_assert_max_num_queries
):
    version = contradictory()
    rita.get(version.get_absolute_url())
    monkeypatch.setattr(reporting, "make_missing", lambda: None)
    with django_assert_max_num_queries(15):  # one of them by the fixture
        rita.get(version.get_absolute_url())
