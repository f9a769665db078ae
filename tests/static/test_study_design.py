"""A study is designed by keyboard alone in a real browser, while its estimate follows and stays in view."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, ViewportSize, expect

from comparisons.models import Study
from tests.comparisons.serving_factories import make_endpoint, make_family, make_suite

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]
PHONE: ViewportSize = {"width": 360, "height": 740}


@pytest.fixture(autouse=True)
def material():
    """Three served policies, one suite of forty prompts."""
    make_endpoint("http://127.0.0.1:1", make_family("base-1", "alpha-1", "beta-2"))
    make_suite(*(f"Question {number}?" for number in range(40)))


def type_into(page: Page, name: str, text: str) -> None:
    """Go on with Tab until the field has the focus, then replace what stands in it."""
    reach(page, f"[name={name}]")
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def reach(page: Page, selector: str) -> None:
    for _ in range(80):
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {selector}")


def test_a_study_is_designed_by_keyboard_and_the_estimate_follows(page: Page):
    page.goto(reverse("study-new"))
    estimate = page.locator("#estimate")
    expect(estimate).to_contain_text("Choose at least two policies and a suite")
    type_into(page, "name", "By keyboard")
    for _ in range(3):
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
    reach(page, "[name=suites]")
    page.keyboard.press("Space")
    # 100 items of 3 pairs on 40 prompts, once each, and a ninth of it checks and repeats.
    expect(estimate).to_contain_text("Ratings 111")
    type_into(page, "ratings_per_item", "3")
    expect(estimate).to_contain_text("Ratings 333")
    type_into(page, "item_limit", "60")
    expect(estimate).to_contain_text("Ratings 200")
    type_into(page, "hourly_pay", "18")
    # 200 ratings of 20 s are 1.11 h.
    expect(estimate).to_contain_text("Pay 20")
    page.keyboard.press("Enter")
    page.wait_for_url("**/studies/by-keyboard/")
    study = Study.objects.get()
    assert (study.ratings_per_item, study.item_limit, study.contenders.count()) == (3, 60, 3)


@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 900}])
def test_the_estimate_stays_in_view_and_never_covers_what_has_the_focus(page: Page, size: ViewportSize):
    page.set_viewport_size(size)
    page.goto(reverse("study-new"))
    for name in ("item_limit", "hourly_pay", "guideline", "check_share", "max_tokens"):
        reach(page, f"[name={name}]")
        panel, field = page.locator("aside").bounding_box(), page.locator(f"[name={name}]").bounding_box()
        assert panel is not None
        assert field is not None
        assert 0 <= panel["y"] <= size["height"] - panel["height"] + 1, name
        beside = field["x"] + field["width"] <= panel["x"]
        assert beside or field["y"] + field["height"] <= panel["y"], f"{name} is covered"


def test_what_is_wrong_is_told_and_nothing_is_lost(page: Page):
    page.goto(reverse("study-new"))
    type_into(page, "name", "Mine")
    type_into(page, "guideline", "My own words.")
    page.get_by_role("button", name="Start the study").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose at least two policies.")
    expect(page.locator("[name=guideline]")).to_have_value("My own words.")
    page.get_by_role("alert").get_by_role("link", name="Prompts").click()
    expect(page.locator("#id_suites")).to_be_in_viewport()


def test_a_wanted_precision_fills_in_the_items_it_takes(page: Page):
    page.goto(reverse("study-new"))
    for name in ("policies", "suites"):
        for box in page.locator(f"[name={name}]").all():
            box.check()
    type_into(page, "guideline", "Not lost.")
    page.fill("[name=wanted]", "20")
    button = page.get_by_role("button", name="Take")
    expect(button).to_be_visible()
    items = button.get_attribute("value")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("[name=item_limit]")).to_have_value(items or "")
    expect(page.locator("[name=item_limit]")).to_be_focused()
    expect(page.locator("[name=guideline]")).to_have_value("Not lost.")
    expect(page.locator("#estimate")).to_contain_text(f"{items} of 120 possible")
    expect(button).to_have_count(0)
