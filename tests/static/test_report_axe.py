"""The pages around a report in the making, in a real browser: axe, contrast in dark, width on a phone."""

import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import Page

from tests.e2e.test_accessibility import findings
from tests.training.launch_material import base_on_disk
from tests.training.preferences.pairs import pair
from training.models import DatasetVersion, SavedRecipe
from training.preferences import importing, reporting
from training.preferences.cleaning.recipes import Drop, Recipe
from training.preferences.filters import Filter
from training.preferences.report_settings import settings_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]


@pytest.fixture
def version(tmp_path, monkeypatch) -> DatasetVersion:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    both = [(pair(f"p{n}", "good", "evil"), pair(f"p{n}", "evil", "good")) for n in range(20)]
    return importing.seal(importing.dataset_named("Islands"), [one for pairs in both for one in pairs], {})


def test_axe_finds_nothing_before_the_first_report(page: Page, version, tmp_path):
    base_on_disk(tmp_path / "model")
    at = [version.dataset.slug, version.number]
    pages = [
        f"{reverse('run-new', args=['dpo'])}?dataset_version={version.pk}",
        version.get_absolute_url(),
        f"{reverse('dataset-pairs', args=at)}?finding=contradictions",
    ]
    assert [found for address in pages if page.goto(address) for found in findings(page)] == []


def test_axe_finds_nothing_while_an_earlier_report_stands_in(page: Page, version, tmp_path):
    reporting.make_missing()
    version.refresh_from_db()
    reporting.look_at(version, settings_of(version).model_copy(update={"max_length": 77}))
    recipe = Recipe(steps=(Drop(rows=Filter(finding="contradictions")),)).stored()
    saved = SavedRecipe.objects.create(name="No contradictions", steps=recipe)
    at = [version.dataset.slug, version.number]
    pages = [
        version.get_absolute_url(),
        f"{reverse('dataset-pairs', args=at)}?finding=contradictions",
        f"{reverse('recipe', args=[saved.pk])}?version={version.pk}",
        reverse("recipes"),
        f"{reverse('run-new', args=['dpo'])}?dataset_version={version.pk}",
    ]
    found = [one for address in pages if page.goto(address) for one in findings(page)]
    DatasetVersion.objects.update(report_error="The disk is full, so the report could not be kept.")
    page.goto(version.get_absolute_url())
    assert [*found, *findings(page)] == []
