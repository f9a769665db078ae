"""A form is sent once, in a real browser, however often its button is pressed while the answer is awaited."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, Route, expect

from comparisons.models import Suite

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]

PRESS_TWICE = "button => { button.click(); setTimeout(() => button.click(), 50); }"


def test_a_second_press_while_the_first_is_on_its_way_makes_nothing(page: Page):
    sent = []

    def pass_on(route: Route) -> None:
        sent.append(route.request.url)
        page.wait_for_timeout(300)
        route.continue_()

    page.goto(reverse("suite-new"))
    page.fill("[name=name]", "Twice")
    page.fill("[name=prompts]", "one\ntwo")
    page.route("**/suites/new/", pass_on)
    page.locator("main button[type=submit]").evaluate(PRESS_TWICE)
    page.wait_for_url("**/suites/twice/")
    assert (len(sent), Suite.objects.count()) == (1, 1)


def test_after_an_answer_with_errors_the_form_can_be_sent_again(page: Page):
    page.goto(reverse("suite-new"))
    page.fill("[name=name]", "Again")
    page.locator("main button[type=submit]").click()
    expect(page.locator(".notice")).to_contain_text("Nothing was saved")
    page.fill("[name=prompts]", "one")
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/suites/again/")
