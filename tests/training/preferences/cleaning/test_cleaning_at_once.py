"""Several people and workers who clean at the same time, on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.training.preferences.cleaning.cleaning_race import PEOPLE, ROUNDS

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def race(postgresql_url: str, migrated_postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the race left; it runs in a database of its own."""
    with psycopg.connect(postgresql_url, autocommit=True) as database:
        database.execute(f"CREATE DATABASE cleaning_race TEMPLATE {migrated_postgresql}")
    address = f"{postgresql_url.rpartition('/')[0]}/cleaning_race"
    environment = {**os.environ, "DATABASE_URL": address, "ALIGNAPP_HOME": str(tmp_path_factory.mktemp("home"))}
    command = [sys.executable, "-m", "tests.training.preferences.cleaning.cleaning_race"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_everybody_is_answered_and_no_worker_stumbles(race: dict[str, Any]) -> None:
    assert race["errors"] == []
    assert race["statuses"] == {"302": 2 * PEOPLE * ROUNDS}
    assert race["said"] == []


def test_every_job_ends_with_its_version_or_was_cancelled(race: dict[str, Any]) -> None:
    assert set(race["states"]) <= {"succeeded", "cancelled"}
    assert race["succeeded_without_version"] == 0


def test_the_same_rows_are_one_version_and_numbers_have_no_gap(race: dict[str, Any]) -> None:
    """Each round asks for two versions: the rows without two of them, and softened labels. Some may be cancelled."""
    assert len(race["numbers"]) == race["contents"] <= 2 * ROUNDS
    assert race["contents"] >= ROUNDS
    assert race["numbers"] == list(range(2, race["contents"] + 2))


def test_every_version_has_its_files_and_nothing_is_left_over(race: dict[str, Any]) -> None:
    assert race["missing_files"] == []
    assert race["other_files"] == []
