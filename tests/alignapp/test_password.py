"""Everybody changes their own password, stays logged in, and is told what happened."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import Role, User
from tests.factories import make_user

pytestmark = pytest.mark.django_db
OLD, NEW = "a calm harbour at dusk", "a rough harbour at dawn"


@pytest.fixture(params=Role.values)
def person(request: pytest.FixtureRequest) -> User:
    """Somebody of every role who logs in with OLD."""
    user = make_user("dora", role=request.param)
    user.set_password(OLD)
    user.save()
    return user


def logged_in() -> Client:
    client = Client()
    assert client.login(username="dora", password=OLD)
    return client


def change(client: Client, old: str = OLD, new: str = NEW, again: str = NEW) -> Any:
    sent = {"old_password": old, "new_password1": new, "new_password2": again}
    return client.post(reverse("password"), sent, follow=True)


def test_the_menu_leads_everybody_to_the_page(person: User):
    client = logged_in()
    assert f'href="{reverse("password")}"' in client.get("/", follow=True).content.decode()
    assert client.get(reverse("password")).status_code == 200


def test_the_new_password_holds_and_the_old_one_ends(person: User):
    page = change(logged_in())
    assert "Your password is changed." in page.content.decode()
    assert not Client().login(username="dora", password=OLD)
    assert Client().login(username="dora", password=NEW)


def test_who_changes_it_stays_logged_in_and_other_sessions_end(person: User):
    here, elsewhere = logged_in(), logged_in()
    change(here)
    assert here.get(reverse("rate")).status_code == 200
    assert elsewhere.get(reverse("rate")).status_code == 302


@pytest.mark.parametrize(
    "sent, told",
    [
        ({"old": "something else"}, "Your old password was entered incorrectly."),
        ({"again": "something else"}, "The two password fields didn’t match."),
        ({"new": "12345", "again": "12345"}, "This password is too short."),
    ],
)
def test_what_is_refused_is_told_and_changes_nothing(person: User, sent: dict[str, str], told: str):
    answer = change(logged_in(), **sent)
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert "Nothing was saved yet." in answer.content.decode()
    assert Client().login(username="dora", password=OLD)


def test_nobody_changes_a_password_without_a_log_in(client: Client):
    assert client.get(reverse("password")).status_code == 302
    assert change(client).redirect_chain[0][0].startswith(reverse("login"))
