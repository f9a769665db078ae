"""The rating page in a real Chromium, against the web process alone: keys, fetching ahead, and what goes wrong."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.e2e.conftest import Stack, log_in
from tests.e2e.test_accessibility import PHONE, WIDE, findings

OWN = "rater_id = (SELECT id FROM accounts_user WHERE username = ?)"
CLOSE = """UPDATE comparisons_study SET state = 'closed' WHERE id IN (
    SELECT study_id FROM comparisons_study_pools JOIN comparisons_raterpool p ON p.id = raterpool_id WHERE slug = ?)"""
JUDGED_SLOWLY = f"""UPDATE comparisons_rating SET seconds = 90 WHERE assignment_id IN (
    SELECT id FROM comparisons_assignment WHERE {OWN})"""

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("site"), pytest.mark.timeout(120)]


def sql(site: Stack, statement: str, *values: object) -> list[tuple]:
    """What the database of the running product answers."""
    with closing(sqlite3.connect(site.home / "alignapp.sqlite3", timeout=20)) as database, database:
        return database.execute(statement, values).fetchall()


def judgements(site: Stack, name: str, *columns: str) -> list:
    """Columns of this person's judgements, in order; a single column as it is."""
    wanted = ", ".join(f"r.{column}" for column in columns or ["choice"])
    joined = "comparisons_rating r JOIN comparisons_assignment a ON a.id = r.assignment_id"
    rows = sql(site, f"SELECT {wanted} FROM {joined} WHERE a.{OWN} ORDER BY r.id", name)
    return [row[0] if len(row) == 1 else row for row in rows]


@pytest.fixture
def context(at_site: BrowserContext) -> BrowserContext:
    at_site.set_default_timeout(10_000)
    return at_site


def begin(context: BrowserContext, name: str) -> Page:
    """Log in, start, read the guidelines: all by keyboard, to the first item."""
    page = log_in(context, name)
    expect(page.get_by_role("button", name="Start rating")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Guidelines")
    expect(page.locator("#main [autofocus]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#rating-form")).to_be_visible()
    return page


def said(page: Page):
    return page.locator("#rating-status")


def prompt(page: Page):
    return page.locator(".prompt")


def until_fetched(page: Page) -> None:
    """The item after this one is there."""
    page.wait_for_load_state("networkidle")


def test_a_whole_sitting_by_keyboard_at_phone_width(context: BrowserContext, site: Stack):
    page = begin(context, "phone")
    page.set_viewport_size(PHONE)
    expect(page.locator("#main")).to_match_aria_snapshot("""
      - main:
        - heading "Which is better?" [level=1]
        - region "Prompt and answers":
          - region "Conversation":
            - heading "Conversation" [level=2]
            - list:
              - listitem:
                - paragraph: Instructions
                - paragraph: Be brief.
              - listitem:
                - paragraph: Person
                - paragraph: Where is Orvane?
              - listitem:
                - paragraph: Assistant
              - listitem:
                - paragraph: Person
                - paragraph: And when does the ferry leave?
          - region "Answer A":
            - heading "Answer A" [level=2]
          - region "Answer B":
            - heading "Answer B" [level=2]
        - group "Which answer is better?":
          - button /A is better/
          - button /Tie/
          - button /Both bad/
          - button /B is better/
        - group "Reasons (optional)":
          - checkbox "correct"
    """)
    expect(said(page)).to_have_text("0 of 3 judged.")
    page.keyboard.press("r")
    page.keyboard.press("Space")
    page.keyboard.press("n")
    page.keyboard.type("12 reasons")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("1")
    expect(said(page)).to_have_text("Saved. 1 of 3 judged.")
    page.keyboard.press("u")
    expect(said(page)).to_have_text("Taken back. Judge the item again. 0 of 3 judged.")
    page.keyboard.press("ArrowRight")
    expect(said(page)).to_have_text("Saved. 1 of 3 judged.")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", level=1)).to_have_text("Why can you not judge this item?")
    page.keyboard.press("3")
    expect(said(page)).to_have_text("Skipped. Somebody else gets that item. 2 of 3 judged.")
    page.keyboard.press("0")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    assert judgements(site, "phone") == ["a", "withdrawn", "b", "skip", "tie"]
    assert judgements(site, "phone", "reasons", "note")[0] == ('["correct"]', "12 reasons")


SMALL_TARGETS = """() => [...document.querySelectorAll(".rating :is(button, a.button, summary, label)")]
    .filter((target) => target.checkVisibility())
    .map((target) => [target.textContent.trim(), target.getBoundingClientRect()])
    .filter(([, box]) => box.width < 24 || box.height < 24).map(([words]) => words)"""
# What lies over the middle of the part of the focused element that its scrolling boxes let through.
COVERED = """() => {
    const focused = document.activeElement;
    if (focused === document.body) return null;
    const box = focused.getBoundingClientRect();
    const clip = [...document.querySelectorAll(".rating-body, .rating-bar, .rating-head, .reasons")]
        .find((band) => band.contains(focused))?.getBoundingClientRect() ?? box;
    const x = (Math.max(box.left, clip.left) + Math.min(box.right, clip.right)) / 2;
    const y = (Math.max(box.top, clip.top) + Math.min(box.bottom, clip.bottom)) / 2;
    const top = document.elementFromPoint(x, y);
    return top && (focused.contains(top) || top.contains(focused)) ? null : focused.outerHTML.slice(0, 100);
}"""


@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
def test_every_target_is_large_enough_and_nothing_covers_the_focus(context: BrowserContext, size):
    page = log_in(context, "targets")
    page.set_viewport_size(size)
    page.keyboard.press("Enter")
    guideline, item = page.locator("#guideline-form"), page.locator("#rating-form")
    expect(guideline.or_(item)).to_be_visible()
    if guideline.is_visible():
        page.keyboard.press("Enter")
    expect(item).to_be_visible()
    assert page.evaluate(SMALL_TARGETS) == []
    page.keyboard.press("?")
    close = page.get_by_role("button", name="Close")
    dialog, button = page.locator("#keys-dialog").bounding_box(), close.bounding_box()
    assert dialog
    assert button
    assert button["y"] + button["height"] <= dialog["y"] + dialog["height"]
    page.keyboard.press("Escape")
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate(COVERED) is None


def test_the_keys_are_listed_on_the_page_of_guidelines_too(context: BrowserContext):
    page = log_in(context, "newcomer")
    page.keyboard.press("Enter")
    expect(page.locator("#guideline-form")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("#keys-dialog")).to_be_visible()
    expect(page.locator("#keys-dialog [data-key-list] dd")).to_have_text(["Show the keys", "Pause", "Go on"])
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator("#rating-form")).to_be_visible()


def test_the_next_item_is_there_before_the_judgement_has_arrived(context: BrowserContext, site: Stack):
    page = begin(context, "quick")
    until_fetched(page)
    held: list[Route] = []
    page.route("**/submit/", lambda route: held.append(route))
    page.keyboard.press("1")
    expect(prompt(page)).to_contain_text("Question 1.")
    expect(prompt(page)).to_be_focused()
    page.wait_for_timeout(200)
    page.keyboard.press("2")  # quicker than the connection: waits for the answer to the first
    expect(page.locator("#main")).to_have_attribute("aria-busy", "true")
    assert len(held) == 1
    held[0].continue_()
    expect(prompt(page)).to_contain_text("Question 2.")
    page.wait_for_timeout(200)
    assert len(held) == 2
    held[1].continue_()
    expect(said(page)).to_have_text("Saved. 2 of 4 judged.")
    assert judgements(site, "quick") == ["a", "b"]


def test_a_lost_connection_takes_back_to_the_item_and_loses_nothing(context: BrowserContext, site: Stack):
    page = begin(context, "offline")
    until_fetched(page)
    page.keyboard.press("n")
    page.keyboard.type("Kept.")
    page.keyboard.press("Shift+Tab")
    context.set_offline(True)
    page.keyboard.press("1")
    expect(prompt(page)).to_contain_text("Question 1.")
    expect(page.locator(".notices")).to_contain_text("The server does not answer.")
    expect(prompt(page)).to_contain_text("And when does the ferry leave?")
    expect(page.locator("[value=a]")).to_have_attribute("aria-pressed", "true")
    assert page.locator("[name=note]").input_value() == "Kept."
    context.set_offline(False)
    expect(prompt(page)).to_contain_text("Question 1.")
    expect(said(page)).to_have_text("Saved. 1 of 3 judged.")
    assert judgements(site, "offline", "choice", "note") == [("a", "Kept.")]


def test_choices_open_by_themselves_and_an_early_judgement_stays_chosen(context: BrowserContext, site: Stack):
    page = begin(context, "early")
    until_fetched(page)
    a = page.locator("[value=a]")
    expect(a).to_be_disabled()
    expect(page.locator(".saved")).to_contain_text("Choices open in")
    expect(a).to_be_enabled()
    page.keyboard.press("1")
    expect(prompt(page)).to_contain_text("Question 1.")
    expect(said(page)).to_have_text("Saved. 1 of 2 judged.")
    expect(a).to_be_disabled()
    expect(a).to_be_enabled()
    # As if the item had been shown later than the browser believes: the server's word counts.
    later = (datetime.now(UTC) + timedelta(seconds=6)).strftime("%Y-%m-%d %H:%M:%S.%f")
    sql(site, f"UPDATE comparisons_assignment SET shown_at = ? WHERE state = 'open' AND {OWN}", later, "early")
    page.keyboard.press("n")
    page.keyboard.type("Early.")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("1")
    expect(page.locator(".notices")).to_have_text("Please read both answers first; the choices open in a moment.")
    expect(a).to_be_disabled()
    expect(a).to_have_attribute("aria-pressed", "true")
    assert page.locator("[name=note]").input_value() == "Early."
    expect(a).to_be_enabled(timeout=20_000)
    page.keyboard.press("1")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    assert judgements(site, "early", "note") == ["", "Early."]


def test_two_tabs_make_one_judgement_per_item(context: BrowserContext, site: Stack):
    one = begin(context, "tabs")
    until_fetched(one)
    other = context.new_page()
    other.goto(one.url)
    until_fetched(other)
    one.keyboard.press("1")
    expect(said(one)).to_have_text("Saved. 1 of 3 judged.")
    other.keyboard.press("2")
    expect(other.locator(".notices")).to_contain_text("You had judged that item already")
    expect(prompt(other)).to_contain_text("Question 1.")
    other.wait_for_timeout(300)
    other.keyboard.press("2")
    expect(said(other)).to_have_text("Saved. 2 of 3 judged.")
    assert judgements(site, "tabs") == ["a", "b"]


def test_reload_shows_the_same_item_and_back_leads_home(context: BrowserContext, site: Stack):
    page = begin(context, "back")
    until_fetched(page)
    first = page.url
    page.keyboard.press("1")
    expect(prompt(page)).to_contain_text("Question 1.")
    assert page.url != first
    assert re.fullmatch(r".*/rate/[\w-]{22}/", page.url)
    page.reload()
    expect(prompt(page)).to_contain_text("Question 1.")
    page.goto(first)
    expect(page.get_by_text("You have judged that item already; your judgement is saved.")).to_be_visible()
    page.go_back()
    expect(prompt(page)).to_contain_text("Question 1.")
    assert len(judgements(site, "back")) == 1


def test_a_study_closed_meanwhile_leads_home_and_keeps_the_judgement(context: BrowserContext, site: Stack):
    page = begin(context, "closed")
    until_fetched(page)
    sql(site, CLOSE, "closed")
    page.keyboard.press("1")
    expect(
        page.get_by_text("The task was closed before your judgement came. It is kept but not counted.")
    ).to_be_visible()
    assert page.url.endswith("/rate/")
    assert sql(site, f"SELECT state FROM comparisons_assignment WHERE {OWN}", "closed")[0] == ("late",)


def test_who_was_logged_out_meanwhile_logs_in_again_and_the_judgement_is_sent(context: BrowserContext, site: Stack):
    page = begin(context, "leaver")
    until_fetched(page)
    context.clear_cookies()
    page.keyboard.press("1")
    page.wait_for_url(re.compile("/login/"))
    page.fill("input[name=username]", "leaver")
    page.fill("input[name=password]", "islands")
    page.keyboard.press("Enter")
    expect(prompt(page)).to_contain_text("Question 1.")
    assert judgements(site, "leaver") == ["a"]


def test_texts_are_formatted_plain_or_compared_for_both_sides(context: BrowserContext):
    page = begin(context, "viewer")
    until_fetched(page)
    boxes = page.locator(".answers > .card")
    formatted, plain = page.locator(".answers .formatted"), page.locator(".answers .plain")
    expect(formatted.locator("table")).to_have_count(2)
    for expected in (formatted, plain, formatted):
        expect(expected.first).to_be_visible()
        expect(expected.last).to_be_visible()
        page.keyboard.press("t")
    expect(plain.first).to_be_visible()

    page.keyboard.press("PageDown")
    page.wait_for_function("() => [...document.querySelectorAll('.answers .card')].every((box) => box.scrollTop > 100)")
    page.keyboard.press("l")
    before = boxes.last.evaluate("(box) => box.scrollTop")
    boxes.first.evaluate("(box) => (box.scrollTop = 0)")
    page.wait_for_timeout(100)
    assert boxes.last.evaluate("(box) => box.scrollTop") == before

    page.keyboard.press("1")
    expect(page.locator("#main")).to_have_attribute("data-plain", "")
    page.keyboard.press("t")
    expect(page.locator(".answers .formatted").first).to_be_visible()
    assert "taken over" not in page.title()
    expect(page.locator(".answers img, .answers script")).to_have_count(0)


def test_one_key_tells_side_and_strength(context: BrowserContext, site: Stack):
    page = begin(context, "grader")
    buttons = page.locator("#rating-form [name=choice]")
    expect(buttons).to_have_count(7)
    page.keyboard.press("0")  # no tie is offered
    page.keyboard.press("6")
    expect(said(page)).to_have_text("Saved. 1 of 2 judged.")
    assert judgements(site, "grader", "choice", "strength") == [("b", 2)]


def test_differences_are_marked_alike_on_both_sides(context: BrowserContext):
    page = begin(context, "compares")
    page.keyboard.press("d")
    marks = page.locator(".answers mark")
    expect(marks.first).to_be_visible()
    assert len({mark.evaluate("(mark) => getComputedStyle(mark).backgroundColor") for mark in marks.all()}) == 1
    page.keyboard.press("d")
    expect(marks.first).to_be_hidden()


def test_training_tells_what_was_expected_and_then_goes_on(context: BrowserContext):
    page = begin(context, "trainee")
    expect(page.get_by_role("heading", level=1)).to_have_text("Training: which is better?")
    right = page.locator(".answers .card", has_text="Right.").get_by_role("heading").inner_text()
    page.keyboard.press("1" if right == "Answer A" else "2")
    expect(page.get_by_role("heading", name="As expected")).to_be_visible()
    page.keyboard.press("Enter")
    expect(prompt(page)).to_contain_text("And when does the ferry leave?")


def test_what_was_read_goes_with_the_judgement(context: BrowserContext, site: Stack):
    """Two short answers on a wide page are seen to their end at once, and the page is never left."""
    page = begin(context, "reader")
    until_fetched(page)
    page.wait_for_timeout(100)
    page.keyboard.press("1")
    expect(said(page)).to_have_text("Saved. 1 of 3 judged.")
    assert json.loads(judgements(site, "reader", "reading")[0]) == {"scrolled": True, "hidden_seconds": 0.0}


def test_axe_finds_nothing_on_any_page_of_a_rater(context: BrowserContext):
    page = log_in(context, "looks")
    found = list(findings(page))
    page.keyboard.press("Enter")
    expect(page.locator("#guideline-form")).to_be_visible()
    found += findings(page)
    page.keyboard.press("Enter")
    expect(page.locator("#rating-form")).to_be_visible()
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    found += findings(page)
    page.keyboard.press("Enter")
    expect(page.locator(".answers table").first).to_be_visible()
    found += findings(page)
    page.keyboard.press("t")
    found += findings(page)
    page.keyboard.press("t")
    page.keyboard.press("1")
    expect(said(page)).to_contain_text("Saved.")
    page.keyboard.press("d")
    expect(page.locator(".answers mark").first).to_be_visible()
    found += findings(page)
    page.keyboard.press("g")
    expect(page.locator("#guideline")).to_be_visible()
    found += findings(page)
    page.goto("/rate/judged/")
    page.locator("summary").first.click()
    found += findings(page)
    assert found == []


def test_after_a_sitting_comes_a_break(context: BrowserContext, site: Stack):
    page = begin(context, "tired")
    page.keyboard.press("1")
    expect(said(page)).to_contain_text("Saved.")
    sql(site, JUDGED_SLOWLY, "tired")
    page.goto("/rate/")
    expect(page.get_by_role("button", name="Go on rating")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Time for a break")
    expect(page.get_by_role("button", name="Go on", exact=True)).to_be_disabled()
    assert list(findings(page)) == []
    page.get_by_role("button", name="Go on without a break").click()
    expect(page.locator("#rating-form")).to_be_visible()
