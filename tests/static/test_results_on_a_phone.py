"""Results of a study in a narrow window: every tab is in view, sentences can be read, tables say that they go on."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, ViewportSize, expect

from comparisons.models import Prompt, Stratum, Study, StudyState, Suite
from tests.comparisons.rating_factories import judge_all, make_rater, make_study, rewrite

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]
PHONE: ViewportSize = {"width": 390, "height": 844}
BEYOND = "links => links.filter(link => link.getBoundingClientRect().right > innerWidth).length"
GROUNDS = "frame => getComputedStyle(frame).backgroundAttachment"


@pytest.fixture
def study() -> Study:
    """Closed, with prompts of two kinds."""
    study = make_study(4)
    hard = Suite.objects.create(slug="hard", name="Hard", stratum=Stratum.ADVERSARIAL)
    Prompt.objects.filter(items__position__gte=2).update(suite=hard)
    judge_all(study, make_rater(), lambda _: "a")
    rewrite(Study.objects.all(), state=StudyState.CLOSED)
    return study


def test_results_can_be_read_on_a_phone(page: Page, study: Study):
    page.set_viewport_size(PHONE)
    page.goto(reverse("study-results", args=[study.slug]))
    tabs = page.get_by_role("navigation", name="This study").get_by_role("link")
    assert tabs.evaluate_all(BEYOND) == 0
    expect(page.get_by_role("link", name="Results", exact=True)).to_have_attribute("aria-current", "page")
    frame = page.get_by_role("region", name="By kind of prompts, as a table")
    assert frame.evaluate("frame => frame.scrollWidth > frame.clientWidth")
    assert frame.locator(".excerpt").first.evaluate("cell => cell.offsetWidth") >= 200
    assert frame.evaluate(GROUNDS) == "local, local, scroll, scroll"
