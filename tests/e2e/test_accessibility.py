"""What axe finds on every kind of page, in light and dark, and that nothing scrolls sideways on a narrow phone.

Runs after the whole loop, whose datasets, runs and studies fill the pages.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, TimeoutError, ViewportSize, expect

from tests.e2e.conftest import Stack, log_in

pytestmark = [pytest.mark.e2e, pytest.mark.vllm, pytest.mark.xdist_group("stack"), pytest.mark.timeout(120)]

RESEARCHERS = [
    "/",
    "/datasets/",
    "/datasets/new/",
    "/samples/",
    "/samples/new/",
    "/recipes/",
    "/collections/",
    "/collections/new/",
    "/runs/",
    "/runs/new/",
    "/runs/new/dpo/",
    "/runs/new/together/",
    "/runs/new/rlhf/",
    "/inspections/new/",
    "/policies/",
    "/suites/",
    "/studies/",
    "/studies/new/",
    "/campaigns/",
    "/campaigns/new/",
    "/rate/",
]
WIDE: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}
# A study of two policies that no other test knows; its answers are one line, one long word and one long text.
OPEN_A_STUDY = """
from tests.comparisons.rating_factories import make_study, rewrite
from comparisons.models import Answer
study = make_study(items=3)
rewrite(Answer.objects.filter(contender=study.contenders.first()), text="Unbroken" * 60)
rewrite(Answer.objects.filter(contender=study.contenders.last()), text="A long answer. " * 200)
"""
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
TOO_WIDE = """() => [...document.querySelectorAll("main *")].filter(
    (element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1
        && !element.closest(".table-frame, pre")).slice(0, 3).map((element) => element.outerHTML.slice(0, 120))"""
TOPS = """() => [...document.querySelectorAll(".answers .card, .rating-bar .button")].map(
    (element) => [element.textContent.trim().slice(0, 8), Math.round(element.getBoundingClientRect().top)])"""


def violations(page: Page, options: dict[str, object]) -> Iterator[str]:
    for found in Axe().run(page, options={"resultTypes": ["violations"]} | options).response["violations"]:
        yield f"{page.url}: {found['id']}: {[node['html'][:120] for node in found['nodes'][:3]]}"


def findings(page: Page) -> Iterator[str]:
    """What is wrong with the page as it stands: axe in light, contrast again in dark, width on a phone."""
    # Nothing fades, so that colours are looked at when they are final.
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    yield from violations(page, {})
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    yield from violations(page, {"runOnly": ["color-contrast"]})
    page.set_viewport_size(PHONE)
    try:  # pictures are drawn anew a moment after the window has changed
        page.wait_for_function(f"{BEYOND} <= 0", timeout=3000)
    except TimeoutError:
        width, elements = page.evaluate(BEYOND), page.evaluate(TOO_WIDE)
        yield f"{page.url}: scrolls {width} px sideways at {PHONE['width']} px: {elements}"
    page.set_viewport_size(WIDE)


def test_axe_finds_nothing_on_the_log_in_page(context: BrowserContext):
    page = context.new_page()
    page.goto("/login/")
    assert list(findings(page)) == []


def test_axe_finds_nothing_on_a_researchers_pages(context: BrowserContext):
    page = log_in(context, "rosa")
    found: list[str] = []
    for path in RESEARCHERS:
        assert page.goto(path).ok, path
        found += findings(page)
    assert found == []


@pytest.mark.timeout(300)  # two reports are made first
def test_axe_finds_nothing_on_pages_about_data(context: BrowserContext, data_pages: dict[str, str]):
    page = log_in(context, "rosa")
    found: list[str] = []
    for name, path in data_pages.items():
        answer = page.goto(path)
        assert answer, name
        assert answer.status == (404 if name == "a bad address" else 200), name
        found += findings(page)
    page.goto(data_pages["pairs of a finding"])
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".opened article")).to_be_visible()
    assert [*found, *findings(page)] == []


def test_the_web_process_stays_below_200_mb_after_pages_about_data_were_used(
    context: BrowserContext, stack: Stack, data_pages: dict[str, str]
):
    page = log_in(context, "rosa")
    for path in data_pages.values():
        page.goto(path)
    assert stack.web_megabytes() < 200


def test_axe_finds_nothing_on_an_annotators_pages_and_they_can_be_used_by_keyboard(
    context: BrowserContext, stack: Stack
):
    stack.manage("shell", "-v", "0", "-c", OPEN_A_STUDY)
    page = log_in(context, "anna")
    found = list(findings(page))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Guidelines")
    page.keyboard.press("Enter")
    said = page.locator("#rating-status")
    expect(said).to_have_text("0 of 3 judged.")
    found += findings(page)

    page.keyboard.press("PageDown")
    page.wait_for_function("() => [...document.querySelectorAll('.answers .card')].some((box) => box.scrollTop > 100)")
    places = []
    for judged in (1, 2):
        page.keyboard.press("0")
        expect(said).to_have_text(f"Saved. {judged} of 3 judged.")
        expect(page.locator(".prompt")).to_be_focused()
        places.append(page.evaluate(TOPS))
    assert places[0] == places[1], "something moved from one item to the next"

    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys on this page")
    expect(dialog.get_by_text("A is better")).to_be_visible()
    found += findings(page)
    dialog.get_by_label("Use single keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(said).to_have_text("Saved. 2 of 3 judged.")
    page.get_by_role("link", name="Skip", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Why can you not judge this item?")
    found += findings(page)
    assert found == []
