"""Judging pairs again in a real browser: by keys, on a phone, and what axe finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, ViewportSize, expect

from tests.training.preferences.cleaning.material import reported
from tests.training.preferences.pairs import pair
from training.models import DatasetVersion
from training.preferences import reporting, second_look, tags
from training.preferences.versions import dataset_named, seal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]

PHONE: ViewportSize = {"width": 360, "height": 740}


@pytest.fixture
def version(settings, tmp_path: Path) -> DatasetVersion:
    """Two doubted pairs, one of them with a word that is longer than a phone is wide."""
    settings.HOME = tmp_path
    pairs = [pair("Q0?", "good", "Unbroken" * 40), pair("Q1?", "good", "bad"), pair("Q2?", "good", "bad")]
    version = seal(dataset_named("Islands"), pairs, {})
    place = reported(version.path, None, {"label_noise": [0, 1]})
    for part in ("rows", "report"):
        getattr(place, part).rename(getattr(reporting.place_of(version), part))
    return version


def address(version: DatasetVersion) -> str:
    return reverse("dataset-second-look", args=[version.dataset.slug, version.number, "label_noise"])


def key_of(version: DatasetVersion, row: int, answer: str) -> str:
    """The key that says that an answer is the better one."""
    shown = second_look.shown(version, row)
    assert shown is not None
    return "1" if shown.answers[0][1][0].content == answer else "2"


def test_pairs_are_judged_by_keys_alone(page: Page, version: DatasetVersion):
    page.goto(address(version))
    page.keyboard.press(key_of(version, 0, "good"))
    expect(page.get_by_text("1 of 2 judged again")).to_be_visible()
    page.keyboard.press(key_of(version, 1, "bad"))
    expect(page.get_by_text("2 of 2 judged again")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_text("1 of 2 judged again")).to_be_visible()
    assert tags.of_rows(version, [0, 1]) == {0: ["judged right"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(page: Page, version: DatasetVersion, scheme):
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    tags.put(version, [1], "judged wrong", None)
    for judged in ([], [0]):
        tags.put(version, judged, "judged undecided", None)
        page.goto(address(version))
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [one["id"] for one in found] == []
        page.set_viewport_size(PHONE)
        page.wait_for_function("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.set_viewport_size({"width": 1280, "height": 900})
