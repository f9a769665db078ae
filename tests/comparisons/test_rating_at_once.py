"""Eight raters at once, on SQLite and on PostgreSQL: every item gets exactly its judgements, none lost or doubled."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.comparisons import rating_race


def race(database_url: str, home: str) -> dict:
    """Run the race in a process of its own, on a database of its own."""
    environment = os.environ | {"DATABASE_URL": database_url, "ALIGNAPP_HOME": home}
    command = [sys.executable, "-m", rating_race.__name__]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(params=["sqlite", "postgresql"])
def finished(request, tmp_path) -> dict:
    return race(request.getfixturevalue(f"new_{request.param}_url"), str(tmp_path))


def test_every_item_gets_exactly_its_judgements(finished):
    assert finished["errors"] == []
    assert finished["judgements_per_item"] == [rating_race.PER_ITEM] * rating_race.ITEMS
    assert finished["most_places_held"] == rating_race.PER_ITEM
    assert finished["standing_per_assignment"] == 1
    assert finished["outcomes"]["repeated"] >= finished["counted"]
