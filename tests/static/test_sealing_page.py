"""The page of pairs being sealed, in a real browser: it follows the worker by itself, and axe finds nothing."""

from __future__ import annotations

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from comparisons import sealing
from comparisons.export import Export, Rule
from comparisons.models import SealingJob
from tests.comparisons.export.material import study_with
from tests.e2e.test_accessibility import findings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]


@pytest.fixture
def job(tmp_path, monkeypatch) -> SealingJob:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    study = study_with([["first", "second", "first"]] * 4, name="Ferries")
    return sealing.submit(Export(study, Rule()), None, dataset="Rated")


def test_the_page_comes_to_lead_to_the_version_without_a_reload(page: Page, job: SealingJob):
    page.goto(job.get_absolute_url())
    expect(page.locator("#sealing-state")).to_contain_text("waiting for a worker")
    found = list(findings(page))
    sealing.work()
    expect(page.get_by_role("link", name="Open Rated v1")).to_be_visible()
    assert [*found, *findings(page)] == []


def test_a_cancelled_one_is_confirmed_first_and_leads_back(page: Page, job: SealingJob):
    page.goto(job.get_absolute_url())
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the sealing").click()
    expect(page.get_by_role("link", name="Back to the rule")).to_be_visible()
    assert list(findings(page)) == []
