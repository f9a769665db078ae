"""Pages on which studies, checks, guidelines and pools are made, in a real browser: axe, a phone's width, keyboard."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from comparisons.drawing import open_study
from comparisons.guidelines import revise
from comparisons.models import RaterPool
from tests.comparisons.answered_studies import answered_study
from tests.comparisons.rating_factories import make_rater
from tests.comparisons.serving_factories import make_endpoint, make_family
from tests.e2e.test_accessibility import findings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]


def test_axe_finds_nothing_and_nothing_scrolls_sideways(page: Page):
    study = answered_study(prompts=6, design={"attention_items": 2, "check_share": 0.1})
    open_study(study)
    revise(study, "Another text, with more to say.", None)
    make_endpoint("http://127.0.0.1:1", make_family("base-1", "alpha-1"))
    pool = RaterPool.objects.create(slug="experts", name="Experts", attributes={"language": "German"})
    person = make_rater("anna")
    of_the_study = [reverse(name, args=[study.slug]) for name in ("study-checks", "study-guideline", "study-extend")]
    others = [
        reverse(name)
        for name in ("study-new", "people", "person-new", "pools", "pool-new", "suite-new", "suite-from-dataset")
    ]
    found: list[str] = []
    for address in (*of_the_study, *others, pool.get_absolute_url(), reverse("person", args=[person.pk])):
        answer = page.goto(address)
        assert answer is not None
        assert answer.ok, address
        found += findings(page)
    assert found == []


def test_members_of_a_pool_are_found_by_typing_and_ticked_ones_stay_in_sight(page: Page):
    for name in ("anna", "annika", "berta"):
        make_rater(name)
    page.goto(reverse("pool-new"))
    page.get_by_label("berta").check()
    page.get_by_label("Find among the annotators").fill("annik")
    expect(page.get_by_label("anna", exact=True)).to_be_hidden()
    expect(page.get_by_label("berta")).to_be_visible()
    expect(page.get_by_text("1 of 3")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.fill("[name=name]", "Experts")
    page.get_by_role("button", name="Save the pool").click()
    page.wait_for_url("**/people/pools/")
    assert set(RaterPool.objects.get().members.values_list("username", flat=True)) == {"annika", "berta"}


def test_the_link_of_an_invitation_is_selected_as_a_whole(page: Page):
    page.goto(reverse("person-new"))
    page.fill("[name=username]", "clara")
    page.get_by_role("button", name="Make the account").click()
    link = page.get_by_role("textbox", name="Link")
    link.focus()
    chosen = link.evaluate("field => field.value.slice(field.selectionStart, field.selectionEnd)")
    assert chosen == link.input_value()
    assert "/welcome/" in chosen
