"""Annotators and pools: inviting by a link that works once, sending away, pools with attributes and members."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import Role, User
from comparisons import assignment as assigning
from comparisons.models import RaterPool
from tests.comparisons.rating_factories import make_rater, make_study, take
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PASSWORD = "a calm harbour at dusk"


@pytest.fixture
def researcher(client: Client) -> Client:
    client.force_login(make_user())
    return client


def invite(client: Client, username: str = "anna", **fields: Any) -> str:
    """Invite somebody by the page; the path of the link that is shown."""
    page = client.post(reverse("person-new"), {"username": username} | fields, follow=True)
    return link_in(page)


def link_in(page: Any) -> str:
    field = BeautifulSoup(page.content, "html.parser").select_one("#welcome-link")
    assert field is not None
    return str(field["value"]).removeprefix("http://testserver")


def choose_password(path: str, password: str = PASSWORD) -> Any:
    """Open a link as somebody without an account and choose a password; the last answer."""
    stranger = Client()
    page: Any = stranger.get(path, follow=True)
    if not page.redirect_chain:
        return page
    sent = {"new_password1": password, "new_password2": password}
    return stranger.post(page.redirect_chain[-1][0], sent)


# --- Inviting ---------------------------------------------------------------------------------------------------------


def test_who_is_invited_chooses_a_password_and_is_in(researcher: Client):
    pool = RaterPool.objects.create(slug="experts", name="Experts")
    path = invite(researcher, full_name="Anna Berg", pools=[pool.pk])
    anna = User.objects.get(username="anna")
    assert (anna.role, anna.get_full_name(), list(anna.pools.all())) == (Role.ANNOTATOR, "Anna Berg", [pool])
    assert not anna.has_usable_password()
    assert choose_password(path)["Location"] == reverse("home")
    assert Client().login(username="anna", password=PASSWORD)


def test_a_link_works_once(researcher: Client):
    path = invite(researcher)
    choose_password(path)
    assert "This link has ended" in choose_password(path, "another long pass phrase").content.decode()
    assert Client().login(username="anna", password=PASSWORD)


def test_a_link_is_shown_once(researcher: Client):
    invite(researcher)
    page = researcher.get(reverse("person", args=[User.objects.get(username="anna").pk]))
    assert "welcome-link" not in page.content.decode()


def test_a_weak_password_is_refused_in_words(researcher: Client):
    path = invite(researcher)
    answer = choose_password(path, "12345")
    assert "too short" in answer.content.decode()
    assert not User.objects.get(username="anna").has_usable_password()


def test_the_token_is_not_in_the_address_of_the_page_that_asks_for_the_password(researcher: Client):
    path = invite(researcher)
    page: Any = Client().get(path, follow=True)
    assert path.rsplit("/", 2)[1] not in page.redirect_chain[-1][0]


def test_a_new_link_ends_the_old_one_the_password_and_the_sessions(researcher: Client):
    first = invite(researcher)
    choose_password(first)
    anna = Client()
    anna.login(username="anna", password=PASSWORD)
    person = User.objects.get(username="anna")
    second = link_in(researcher.post(reverse("person-link", args=[person.pk]), follow=True))
    assert anna.get(reverse("rate")).status_code == 302
    assert not Client().login(username="anna", password=PASSWORD)
    assert "This link has ended" in choose_password(first).content.decode()
    assert choose_password(second)["Location"] == reverse("home")


def test_the_page_of_a_person_offers_to_reset_a_password_that_is_forgotten(researcher: Client):
    path = invite(researcher)
    address = reverse("person", args=[User.objects.get(username="anna").pk])
    assert "Reset password" not in researcher.get(address).content.decode()
    choose_password(path)
    assert "Reset password" in researcher.get(address).content.decode()
    page: Any = researcher.post(f"{address}link/", follow=True)
    assert "password reset, no other chosen yet" in page.content.decode()
    assert "Password reset" in researcher.get(reverse("people")).content.decode()
    assert choose_password(link_in(page), "another long pass phrase")["Location"] == reverse("home")
    assert Client().login(username="anna", password="another long pass phrase")


@pytest.mark.parametrize("taken", ["anna", "ANNA"])
def test_a_name_that_is_taken_is_refused(researcher: Client, taken: str):
    make_rater("anna")
    answer = researcher.post(reverse("person-new"), {"username": taken})
    assert answer.status_code == 422
    assert "There is an account of this name already" in answer.content.decode()


@pytest.mark.parametrize("role", [Role.RESEARCHER, Role.ADMIN])
@pytest.mark.parametrize("page", ["person", "person-link", "person-active"])
def test_nobody_gets_at_researchers_and_administrators_from_here(researcher: Client, role: str, page: str):
    """Else a researcher could take an administrator's account by a link."""
    other = make_user("boss", role=role)
    for method in (researcher.get, researcher.post):
        assert method(reverse(page, args=[other.pk])).status_code in {404, 405}
    other.refresh_from_db()
    assert other.is_active


# --- Sending away -----------------------------------------------------------------------------------------------------


def test_who_is_sent_away_is_out_at_once_and_gives_back_what_they_hold(researcher: Client):
    study, rater = make_study(items=1), make_rater("anna")
    take(rater)
    anna = Client()
    anna.force_login(rater)
    researcher.post(reverse("person-active", args=[rater.pk]))
    assert anna.get(reverse("rate")).status_code == 302
    assert take(make_rater()).item == study.items.get()
    assert assigning.held_by(rater).count() == 0


def test_the_link_of_somebody_who_was_sent_away_opens_nothing(researcher: Client):
    path = invite(researcher)
    person = User.objects.get(username="anna")
    researcher.post(reverse("person-active", args=[person.pk]))
    assert "This link has ended" in choose_password(path).content.decode()


def test_who_was_sent_away_can_be_let_in_again(researcher: Client):
    rater = make_rater("anna")
    address = reverse("person-active", args=[rater.pk])
    researcher.post(address)
    researcher.post(address, {"activate": "on"})
    rater.refresh_from_db()
    assert rater.is_active


def test_the_list_finds_people_by_name_and_tells_their_access(researcher: Client):
    invite(researcher, "anna")
    make_rater("berta")
    page = researcher.get(reverse("people"), {"q": "ann"}).content.decode()
    assert "anna" in page
    assert "berta" not in page
    assert "Invited" in page


# --- Pools ------------------------------------------------------------------------------------------------------------


def test_a_pool_is_made_with_attributes_and_members(researcher: Client):
    anna, berta = make_rater("anna"), make_rater("berta")
    sent = {"name": "Experts", "attributes": "language: German\r\n\r\nexpertise: law: tax\r\n", "members": [anna.pk]}
    assert researcher.post(reverse("pool-new"), sent)["Location"] == reverse("pools")
    pool = RaterPool.objects.get()
    assert pool.attributes == {"language": "German", "expertise": "law: tax"}
    assert list(pool.members.all()) == [anna]
    page = researcher.get(reverse("pools")).content.decode()
    assert "language: German, expertise: law: tax" in page
    assert berta.username not in page


def test_a_pool_is_changed_and_keeps_its_address(researcher: Client):
    anna, berta = make_rater("anna"), make_rater("berta")
    pool = RaterPool.objects.create(slug="experts", name="Experts", attributes={"language": "German"})
    pool.members.add(anna)
    shown = BeautifulSoup(researcher.get(pool.get_absolute_url()).content, "html.parser")
    assert shown.select_one("[name=attributes]").text.strip() == "language: German"
    assert [box["value"] for box in shown.select("[name=members][checked]")] == [str(anna.pk)]
    researcher.post(pool.get_absolute_url(), {"name": "Lawyers", "attributes": "", "members": [berta.pk]})
    pool.refresh_from_db()
    assert (pool.slug, pool.name, pool.attributes, list(pool.members.all())) == ("experts", "Lawyers", {}, [berta])


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"attributes": "language: German\nGerman"}, "Line 2 is not of the form “key: value”."),
        ({"attributes": "a: 1\na: 2"}, "Line 2: “a” stands on an earlier line already."),
        ({"name": "experts"}, "There is a pool of this name already."),
    ],
)
def test_what_makes_no_pool_is_told_and_not_lost(researcher: Client, fields: dict[str, str], told: str):
    RaterPool.objects.create(slug="experts", name="Experts")
    answer = researcher.post(reverse("pool-new"), {"name": "Mine", "attributes": "", "description": "Kept."} | fields)
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert "Kept." in answer.content.decode()
    assert RaterPool.objects.count() == 1


# --- Who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["people", "person-new", "pools", "pool-new"])
def test_annotators_see_nobody_else(client: Client, name: str):
    client.force_login(make_rater())
    for method in (client.get, client.post):
        assert method(reverse(name)).status_code == 403


def test_researchers_find_the_pages_in_their_menu(researcher: Client, client: Client):
    assert reverse("people") in researcher.get(reverse("suites")).content.decode()
