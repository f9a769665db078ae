"""What a person sees who sends or opens something at the wrong moment."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_run, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    """A researcher's browser, which must send the token of its forms."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("ada"))
    return client


def test_the_address_of_a_button_opened_as_a_page_says_that_nothing_was_done(client: Client):
    answer = client.get(reverse("run-cancel", args=[make_run().pk]))
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
    assert "Nothing was done" in answer.content.decode()


def test_a_form_of_an_earlier_log_in_says_that_nothing_was_saved(client: Client):
    answer = client.post(reverse("run-cancel", args=[make_run().pk]))
    assert answer.status_code == 403
    assert "Nothing was saved" in answer.content.decode()
