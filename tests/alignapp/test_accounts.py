"""People and their roles."""

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import User
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role,status", [("admin", 200), ("researcher", 403), ("annotator", 403)])
@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/user/"])
def test_only_the_role_admin_opens_the_admin(client: Client, role: str, status: int, path: str):
    client.force_login(make_user(role=role))
    assert client.get(path).status_code == status


@pytest.mark.parametrize("role", ["researcher", "annotator"])
@pytest.mark.parametrize("path", ["/admin/", "/admin/login/?next=/admin/"])
def test_who_is_logged_in_and_no_admin_is_told_so_and_not_asked_to_log_in(client: Client, role: str, path: str):
    client.force_login(make_user(role=role))
    page = client.get(path).content.decode()
    assert "This page is not open to your account" in page
    assert "It is for administrators." in page
    assert 'type="password"' not in page


def test_who_opens_the_admin_without_a_log_in_is_asked_for_one(client: Client):
    page = client.get("/admin/", follow=True)
    assert (page.status_code, 'type="password"' in page.content.decode()) == (200, True)


def test_a_page_for_researchers_says_that_it_is_for_them(client: Client):
    client.force_login(make_user(role="annotator"))
    assert "It is for researchers." in client.get("/runs/").content.decode()


@pytest.mark.parametrize("role,researcher", [("admin", True), ("researcher", True), ("annotator", False)])
def test_admins_may_do_what_researchers_may(role: str, researcher: bool):
    user = make_user(role=role)
    assert (user.is_researcher, user.is_annotator) == (researcher, not researcher)


def test_nobody_sees_a_page_without_logging_in(client: Client):
    response = client.get("/runs/")
    assert (response.status_code, response["Location"]) == (302, "/login/?next=/runs/")


@pytest.mark.parametrize("role,shown", [("admin", True), ("researcher", False), ("annotator", False)])
def test_the_menu_leads_admins_to_the_accounts(client: Client, role: str, shown: bool):
    client.force_login(make_user(role=role))
    assert ("/admin/accounts/user/" in client.get("/rate/").content.decode()) == shown


def test_an_admin_who_becomes_an_annotator_loses_the_admin():
    user = make_user(role="admin")
    user.role = "annotator"
    user.save()
    assert (user.is_staff, user.is_superuser, user.is_researcher) == (False, False, False)


def test_createsuperuser_makes_an_admin():
    assert User.objects.create_superuser("ada", password="islands").role == "admin"


def test_a_password_stored_with_djangos_own_parameters_still_works_and_is_stored_anew(client: Client):
    user = make_user("dora")
    user.password = Argon2PasswordHasher().encode("a long password", "salt" * 6)
    user.save()
    client.post(reverse("login"), {"username": "dora", "password": "a long password"})
    user.refresh_from_db()
    assert "m=19456,t=2,p=1" in user.password
    assert user.check_password("a long password")
