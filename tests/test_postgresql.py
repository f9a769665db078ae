"""The tests in which transactions matter pass on PostgreSQL as they do on SQLite."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = [
    "tests/alignapp/test_pipelines.py",
    "tests/training/test_queue.py",
    "tests/training/test_trainer_events.py",
    "tests/training/preferences/test_importing.py",
    "tests/comparisons/test_assignment.py",
    "tests/comparisons/test_sealing.py",
    "tests/comparisons/locks_on_postgresql.py",
]


@pytest.mark.timeout(240)
def test_queue_import_assignment_and_sealing_tests_pass_on_postgresql(postgresql_url: str):
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES]
    without_xdist = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        pytest_command,
        cwd=ROOT,
        env={**without_xdist, "DATABASE_URL": postgresql_url},
        capture_output=True,
        text=True,
    )

    summary = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.fullmatch(r"\d+ passed.* in .*", summary), summary


def test_migrations_describe_the_models_on_postgresql(postgresql_url: str):
    done = subprocess.run(
        [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": postgresql_url},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
