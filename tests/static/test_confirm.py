"""The question before harm, in a real browser, on a part of a page that is drawn anew while it stands there."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.factories import make_run
from training.models import Run, RunState
from training.runs import queue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]


def asked(page: Page, run: Run) -> None:
    """Put the question whether to cancel the run."""
    page.goto(reverse("runs"))
    page.locator(f"#cancel-{run.pk}").evaluate("button => (window.asked = button)")
    page.locator(f"#cancel-{run.pk}").click()


def drawn_anew(page: Page) -> None:
    page.wait_for_function("() => !window.asked.isConnected")


def test_a_yes_counts_although_the_queue_was_drawn_anew_meanwhile(page: Page):
    first, second = make_run(name="first"), make_run(name="second")
    asked(page, second)
    queue.move_to_front(second)
    drawn_anew(page)
    page.locator("[data-confirm-yes]").click()
    expect(page.locator(f"#cancel-{second.pk}")).to_have_count(0)
    states = dict(Run.objects.values_list("pk", "state"))
    assert states == {first.pk: RunState.QUEUED, second.pk: RunState.CANCELLED}


def test_a_yes_to_what_is_gone_does_nothing_and_says_so(page: Page):
    make_run(name="first")
    second = make_run(name="second")
    asked(page, second)
    queue.cancel(second)
    drawn_anew(page)
    page.locator("[data-confirm-yes]").click()
    expect(page.locator("#toasts")).to_contain_text("nothing was done")
