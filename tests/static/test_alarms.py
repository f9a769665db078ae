"""The page of a run with alarms in a real browser: what axe finds, its width on a phone, details without a mouse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, ViewportSize

from tests.factories import make_run
from training.models import Run, RunMetric

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]

PHONE: ViewportSize = {"width": 360, "height": 740}
LOOKS = {
    "held_out/undesirable_share": [0.0, 0.21, 0.2],
    "held_out/pessimistic_share": [0.5, 0.5, 0.5],
    "own/length_ratio": [1.0, 1.5, 1.6],
    "own/kl": [0.0, 2.0, 3.0],
    "own/kl_low": [0.0, 1.0, 2.0],
}


@pytest.fixture
def run(settings, tmp_path: Path) -> Run:
    """A run with two alarms, and evidence for each."""
    settings.HOME = tmp_path
    run = make_run()
    RunMetric.objects.bulk_create(
        RunMetric(run=run, name=name, step=20 * i, value=value)
        for name, values in LOOKS.items()
        for i, value in enumerate(values)
    )
    folder = run.folder / "evidence"
    folder.mkdir(parents=True)
    pair = {"row": 3, "policy": [-0.5, 0.0], "reference": [-2.0, 0.0], "lengths": [4, 4]}
    sample = {"row": 5, "answer": "Unbroken" * 40, "length": 80, "finished": False, "reference": "Short."}
    sample |= {"reference_length": 2, "kl": 3.5, "score": None}
    (folder / "held_out.json").write_text(json.dumps({"pairs": [pair]}))
    (folder / "own.json").write_text(json.dumps({"samples": [sample]}))
    return run


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(page: Page, run: Run, scheme):
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for url in (run.get_absolute_url(), reverse("run-evidence", args=[run.pk, "own", "longer"])):
        page.goto(url)
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert violations(page) == []
        page.set_viewport_size(PHONE)
        # Charts follow the new width a frame later.
        page.wait_for_function("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.set_viewport_size({"width": 1280, "height": 900})


def test_the_definition_opens_by_keyboard(page: Page, run: Run):
    page.goto(run.get_absolute_url())
    page.locator("#alarm-undesirable_region-measure > summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#alarm-undesirable_region-measure .measure").is_visible()
