"""A home of its own and a researcher for every test of pages about rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from alignapp.accounts.models import User
from tests.factories import make_user
from training.preferences.browsing import making


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    monkeypatch.setattr(making, "call_workers", lambda task: None)
    return tmp_path


@pytest.fixture
def rita(client: Client) -> User:
    """A researcher, logged in."""
    rita = make_user("rita")
    client.force_login(rita)
    return rita
