"""Three workers draw at once while two people rate: the limit holds, and no two answers meet twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.comparisons import drawing_race


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_study_gets_exactly_its_items_whoever_draws_at_the_same_time(database: str, request, tmp_path):
    address = request.getfixturevalue(f"new_{database}_url")
    environment = os.environ | {"DATABASE_URL": address, "ALIGNAPP_HOME": str(tmp_path), "RATING_MOST_PER_MINUTE": "0"}
    command = [sys.executable, "-m", drawing_race.__name__]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["errors"] == []
    assert (found["items"], found["positions"]) == (drawing_race.LIMIT, drawing_race.LIMIT)
    assert (found["most_alike"], found["most_judgements"]) == (1, 2)
