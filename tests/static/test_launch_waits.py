"""The launch form on a version that nobody has looked at yet, in a real browser: the verdict comes without a reload."""

import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.training.launch_material import base_on_disk
from tests.training.preferences.pairs import pair
from training.models import DatasetVersion
from training.preferences import importing, reporting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]


@pytest.fixture
def contradictory(tmp_path, monkeypatch) -> DatasetVersion:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    both = [(pair(f"p{n}", "good", "evil"), pair(f"p{n}", "evil", "good")) for n in range(20)]
    return importing.seal(importing.dataset_named("Islands"), [one for pairs in both for one in pairs], {})


def test_the_verdict_takes_the_place_of_the_progress_and_what_was_typed_stays(page: Page, contradictory, tmp_path):
    base_on_disk(tmp_path / "model")
    page.goto(f"{reverse('run-new', args=['dpo'])}?dataset_version={contradictory.pk}")
    verdict = page.locator("#data-verdict")
    expect(verdict).to_contain_text("Nobody has looked at this data yet")
    page.get_by_label("Why launch it unchecked").fill("A test of the floor")
    DatasetVersion.objects.update(report_stage="3 of 18: repeated rows")
    reporting.make_missing()
    expect(verdict).to_contain_text("Do not train with DPO", timeout=10_000)
    expect(page.get_by_label("Why launch it all the same")).to_have_value("A test of the floor")
