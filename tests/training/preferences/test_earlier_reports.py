"""The last report stays readable until the one that is due takes its place: after new rules, settings or prompts."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse

from tests.factories import make_user
from tests.training.preferences.pairs import pair
from tests.training.preferences.test_reporting import Suites
from training.config import Method
from training.launching.data_verdict import data_verdict
from training.models import DatasetVersion
from training.preferences import importing, prompt_sets, report, reporting
from training.preferences.cleaning import making
from training.preferences.cleaning.recipes import Drop, Recipe
from training.preferences.filters import Filter
from training.preferences.report_settings import settings_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


@pytest.fixture
def suites(monkeypatch) -> Suites:
    found = Suites()
    monkeypatch.setattr(prompt_sets, "_providers", {"suite": found})
    return found


@pytest.fixture
def researcher(client):
    client.force_login(make_user("rita"))
    return client


@pytest.fixture
def version() -> DatasetVersion:
    """Half of the pairs say the opposite of the other half; with its report."""
    both = [(pair(f"p{n}", "good", "evil"), pair(f"p{n}", "evil", "good")) for n in range(20)]
    sealed = importing.seal(importing.dataset_named("Islands"), [one for pairs in both for one in pairs], {})
    reporting.make_missing()
    return DatasetVersion.objects.get(pk=sealed.pk)


def new_rules(monkeypatch, digest: str = "f" * 64) -> None:
    monkeypatch.setattr(report, "rules_digest", lambda: digest)


def change_settings(version: DatasetVersion) -> None:
    reporting.look_at(version, settings_of(version).model_copy(update={"max_length": 77}))


def page(browser, version: DatasetVersion, name: str = "dataset-version", **query: Any):
    return browser.get(reverse(name, args=[version.dataset.slug, version.number]), query)


def test_under_new_rules_the_earlier_report_is_read_and_says_so(researcher, version, monkeypatch):
    new_rules(monkeypatch)
    standing = reporting.standing(version)
    assert (standing.is_due, standing.earlier) == (False, "rules")
    shown = page(researcher, version).content.decode()
    assert "This report was made by earlier rules" in shown
    assert "Waiting for a worker" in shown
    assert 'id="finding-contradictions"' in shown
    told = page(researcher, version, "dataset-report-json").json()
    assert (told["made_by_earlier"], told["rows"]) == ("rules", 40)


def test_under_other_settings_the_earlier_report_is_read_until_the_new_one_is_there(researcher, version):
    change_settings(version)
    assert "This report was made under earlier settings" in page(researcher, version).content.decode()
    reporting.make_missing()
    version.refresh_from_db()
    assert reporting.standing(version).is_due
    shown = page(researcher, version).content.decode()
    assert "earlier" not in shown
    assert "data-live-url" not in shown


def test_links_to_findings_keep_working_meanwhile(researcher, version, monkeypatch):
    new_rules(monkeypatch)
    rows = page(researcher, version, "dataset-pairs", finding="contradictions")
    assert rows.status_code == 200
    assert rows.context["total"] == 40
    assert "This is from a report on Islands v1 by earlier rules." in rows.content.decode()
    cleaning = page(researcher, version, "dataset-clean", rule="contradictions", action="drop")
    assert cleaning.context["plan"].removed == 40


def test_links_to_findings_explain_themselves_before_the_first_report(researcher):
    """And are a 404 where the report that is there has no such finding."""
    version = importing.seal(importing.dataset_named("New"), [pair(f"q{n}") for n in range(9)], {})
    rows = page(researcher, version, "dataset-pairs", finding="contradictions")
    assert rows.status_code == 200
    assert "The report is being made" in rows.content.decode()
    reporting.make_missing()
    assert page(researcher, version, "dataset-pairs", finding="contradictions").status_code == 404


def test_a_new_report_that_fails_leaves_the_earlier_one_with_a_button(researcher, version, monkeypatch):
    new_rules(monkeypatch)
    monkeypatch.setattr(reporting, "report_on", lambda *_, **__: 1 / 0)
    reporting.make_missing()
    version.refresh_from_db()
    shown = page(researcher, version).content.decode()
    assert "The new one could not be made: The report stopped on an unexpected error" in shown
    assert "Try again" in shown
    assert "data-live-url" not in shown
    assert 'id="finding-contradictions"' in shown


def test_the_live_part_of_the_page_ends_with_the_new_report(researcher, version, monkeypatch):
    new_rules(monkeypatch)
    assert "data-live-done" not in page(researcher, version, "dataset-report-live").content.decode()
    reporting.make_missing()
    told = page(researcher, version, "dataset-report-live").content.decode()
    assert "data-live-done" in told
    assert "Show the findings" in told


def test_an_earlier_report_guards_launches(version, monkeypatch):
    new_rules(monkeypatch)
    found = data_verdict(Method.DPO, version)
    assert found is not None
    assert (found.forbids, found.earlier) == (True, "rules")


def test_the_new_report_removes_those_by_earlier_rules_and_keeps_those_under_other_settings(version, monkeypatch, home):
    before = reporting.place_of(version)
    change_settings(version)
    reporting.make_missing()
    assert len(list(home.rglob("*.report-*.json"))) == 2
    new_rules(monkeypatch)
    reporting.make_missing()
    version.refresh_from_db()
    [kept] = report.places(version.path)
    assert kept == reporting.place_of(version)
    assert not before.rows.exists()
    assert not before.scores.exists()


def test_a_report_by_earlier_rules_stays_while_a_version_of_the_same_rows_needs_it(version, monkeypatch):
    twin = importing.seal(importing.dataset_named("Twin"), version_rows(version), {})
    assert twin.sha256 == version.sha256
    change_settings(twin)
    new_rules(monkeypatch)
    while reporting.make_next():
        twins = DatasetVersion.objects.filter(sha256=version.sha256)
        assert all(reporting.stored_report(one) is not None for one in twins)
    assert {found.rules for found in report.places(version.path)} == {"f" * 8}


def version_rows(version: DatasetVersion):
    from training.preferences import store

    return list(store.read_pairs(version.path))


def test_what_has_no_report_at_all_comes_first_and_the_latest_of_it(version, monkeypatch):
    new_rules(monkeypatch)
    older = importing.seal(importing.dataset_named("Older"), [pair("a"), pair("b")], {})
    newer = importing.seal(importing.dataset_named("Newer"), [pair("c"), pair("d")], {})
    made = []
    while reporting.make_next():
        versions = (newer, older, version)
        made.append([one.dataset.name for one in versions if reporting.standing(one).is_due])
    assert made == [["Newer"], ["Newer", "Older"], ["Newer", "Older", "Islands"]]


def test_of_reports_that_an_earlier_one_stands_in_for_one_at_a_time_is_made(version, monkeypatch):
    from django.utils.timezone import now

    other = importing.seal(importing.dataset_named("Other"), [pair("a"), pair("b")], {})
    reporting.make_missing()
    new_rules(monkeypatch)
    DatasetVersion.objects.filter(pk=other.pk).update(report_heartbeat_at=now())
    assert not reporting.make_next()
    fresh = importing.seal(importing.dataset_named("Fresh"), [pair("c"), pair("d")], {})
    assert reporting.make_next()
    assert reporting.standing(fresh).is_due


# --- What prompt sets hold ----------------------------------------------------------------------------------------


def test_a_suite_of_the_same_name_with_other_prompts_makes_the_report_anew(suites, version):
    assert reporting.standing(version).is_due
    suites.edition = "second"
    assert reporting.standing(version).earlier == "settings"
    reporting.make_missing()
    version.refresh_from_db()
    found: Any = reporting.stored_report(version)
    assert found.settings.contents == {"suite:one": "second one"}


def test_a_suite_that_is_gone_leaves_its_report_as_it_is(suites, version):
    suites.names.clear()
    assert reporting.standing(version).is_due
    assert not reporting.make_next()


# --- Recipes ------------------------------------------------------------------------------------------------------


def test_a_recipe_is_applied_by_the_report_that_it_was_meant_by_or_not_at_all(version, monkeypatch):
    """A worker's turn may come after the report was made anew: other rows might be dropped than were shown."""
    recipe = Recipe(steps=(Drop(rows=Filter(finding="contradictions", group=0)),))
    first = making.submit(version, recipe, None)
    new_rules(monkeypatch)
    making.run(first.pk)
    first.refresh_from_db()
    assert first.version is not None
    assert first.version.rows == 38
    second = making.submit(version, recipe.model_copy(update={"steps": (Drop(rows=Filter(finding="repeats")),)}), None)
    reporting.make_missing()
    making.run(second.pk)
    second.refresh_from_db()
    assert "has been made anew" in second.error


# --- Files --------------------------------------------------------------------------------------------------------


def test_a_report_that_cannot_be_read_is_passed_over(version):
    place = reporting.place_of(version)
    broken = report.Place(version.path, "00000000-00000000")
    broken.report.write_text("{")
    os.utime(broken.report, (2e9, 2e9))
    assert [found.key for found in report.places(version.path)] == [broken.key, place.key]
    change_settings(version)
    assert reporting.standing(version).place == place
    assert json.loads(place.report.read_text())["rows"] == 40
