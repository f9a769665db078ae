"""A researcher for the tests of pages."""

from __future__ import annotations

import pytest
from django.test import Client

from alignapp.accounts.models import User
from tests.factories import make_user


@pytest.fixture
def rita(client: Client) -> User:
    """A researcher, logged in."""
    rita = make_user("rita")
    client.force_login(rita)
    return rita
