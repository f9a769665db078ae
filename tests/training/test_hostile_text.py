"""Hostile rows, names and addresses on the pages of cleaning, comparing, coverage and browsing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tests.factories import make_user
from tests.training.hostile import LONG_WORD, OVERRIDE, SCRIPT, assert_harmless, hostile_pairs
from training.models import DatasetVersion, SavedRecipe
from training.preferences import reporting, samples, tags
from training.preferences.browsing import browser
from training.preferences.cleaning import making
from training.preferences.cleaning.recipes import Drop, Flip, Recipe, Weight
from training.preferences.filters import Bounds, Filter
from training.preferences.versions import dataset_named, seal

pytestmark = pytest.mark.django_db
NAME = f"{SCRIPT} {OVERRIDE}"
WORDS = f'{SCRIPT} {OVERRIDE} "{LONG_WORD[:500]}" \0'
STEPS = (
    Drop(rows=Filter(text=WORDS, tag=SCRIPT, annotator=OVERRIDE)),
    Flip(rows=Filter(source=SCRIPT)),
    Weight(rows=Filter(finding="repeats"), value=0.5),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for the module, so that the report is made once: it depends on the rows and settings alone."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def rita(client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "HOME", folder)
    client.force_login(make_user("rita"))


@pytest.fixture
def version() -> DatasetVersion:
    made = seal(dataset_named(NAME[:100]), hostile_pairs(), {"kind": "import", "label": NAME, SCRIPT: NAME})
    prompts = "\n".join(f"{SCRIPT} integral {n} {OVERRIDE}" for n in range(60))
    sample = samples.store(NAME, SimpleUploadedFile("x", prompts.encode()).file, json_lines=False)  # type: ignore[arg-type]
    made.report_settings = {"target": f"sample:{sample.pk}"}
    made.save()
    reporting.make_now(made)
    browser(made)
    tags.put(made, [0, 1], OVERRIDE, None)
    return made


@pytest.fixture
def child(version: DatasetVersion) -> DatasetVersion:
    """Made by a recipe that drops, turns and weighs hostile rows."""
    steps = (Drop(rows=Filter(finding="repeats")), *STEPS[1:])
    job = making.submit(version, Recipe(steps=steps), None)
    making.work()
    job.refresh_from_db()
    assert job.version, job.error
    reporting.make_now(job.version)
    return job.version


def at(version: DatasetVersion, name: str, *more: int) -> str:
    return reverse(name, args=[version.dataset.slug, version.number, *more])


def cleaning_pages(version: DatasetVersion) -> Iterator[str]:
    clean = at(version, "dataset-clean")
    token = Recipe(steps=STEPS).token()
    yield f"{clean}?recipe={token}"
    yield f"{clean}?recipe={token}&edit=0"
    yield f"{at(version, 'dataset-clean-preview')}?recipe={token}"
    yield from (f"{at(version, 'dataset-clean-rows')}?recipe={token}&step={step}" for step in (2, 3))


def test_pages_of_cleaning_stay_harmless(client: Client, version: DatasetVersion) -> None:
    for address in cleaning_pages(version):
        assert_harmless(client.get(address))
    chosen = json.dumps({"text": WORDS, "bounds": [{"score": SCRIPT, "low": 0.0}]})
    assert_harmless(client.get(at(version, "dataset-clean"), {"filter": chosen}))
    wrong = Recipe(steps=(Drop(rows=Filter(bounds=(Bounds(score=NAME, low=0.0),))),))
    assert_harmless(client.get(at(version, "dataset-clean"), {"recipe": wrong.token()}))


def test_pages_of_saved_recipes_stay_harmless(client: Client, version: DatasetVersion) -> None:
    saved = SavedRecipe.objects.create(name=NAME[:80], steps=Recipe(steps=STEPS).stored())
    assert_harmless(client.get(reverse("recipes")))
    assert_harmless(client.get(reverse("recipe", args=[saved.pk])))
    assert_harmless(client.get(reverse("recipe", args=[saved.pk]), {"version": version.pk}))


def test_pages_of_versions_and_their_differences_stay_harmless(client: Client, child: DatasetVersion) -> None:
    assert child.parent
    for change in ("", "removed", "changed"):
        assert_harmless(client.get(at(child, "dataset-diff"), {"change": change}))
    assert_harmless(client.get(reverse("dataset-compare"), {"left": child.parent.pk, "right": child.pk}))
    assert_harmless(client.get(child.parent.get_absolute_url()))


def test_the_map_of_prompts_stays_harmless(client: Client, version: DatasetVersion) -> None:
    coverage = at(version, "dataset-coverage")
    assert_harmless(client.get(coverage))
    report = reporting.stored_report(version)
    finding = report.finding("coverage") if report else None
    assert finding
    assert finding.picture
    for topic in finding.picture["topics"]:
        assert_harmless(client.get(coverage, {"cluster": topic["number"]}))
    assert client.get(coverage, {"cluster": SCRIPT}).status_code == 404


def test_pages_of_rows_stay_harmless(client: Client, version: DatasetVersion) -> None:
    pairs = at(version, "dataset-pairs")
    for query in ({}, {"page": "3"}, {"q": WORDS}, {"tag": OVERRIDE}, {"finding": "repeats"}, {"sort": SCRIPT}):
        assert_harmless(client.get(pairs, query))
    assert_harmless(client.get(at(version, "dataset-pair", 0)))


def test_a_row_of_megabytes_is_shown_once_on_its_own_page(client: Client, version: DatasetVersion) -> None:
    """Row 56 holds a megabyte in each of its three texts; nothing else on the page grows with them."""
    assert_harmless(client.get(at(version, "dataset-pair", 56)), largest=4_000_000)
