"""A home of its own for every test of pages about rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from training.preferences.browsing import making


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    monkeypatch.setattr(making, "call_workers", lambda task: None)
    return tmp_path
