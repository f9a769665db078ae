"""Worker processes that are killed in the middle, by a real SIGKILL."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from django.conf import settings
from django.db import connection

START = """
import django, sys, time
django.setup()
from django.conf import settings
from pathlib import Path
settings.HOME = Path(sys.argv[1])
"""


def kill_when(ready: Callable[[], bool], program: str, *arguments: str) -> None:
    """Run a program on this test's database and data folder, and kill it as soon as `ready`; it must not end before."""
    environment = {**os.environ, "DATABASE_URL": address_of_test_database(), "PYTHONPATH": str(settings.BASE_DIR)}
    command = [sys.executable, "-c", START + program, str(settings.HOME), *arguments]
    with subprocess.Popen(command, env=environment, cwd=settings.HOME) as worker:
        deadline = time.monotonic() + 60
        while not (is_ready := ready()) and worker.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        worker.kill()
    assert is_ready
    assert worker.returncode == -9


def address_of_test_database() -> str:
    """DATABASE_URL of the database that this test writes to, for another process."""
    of = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{of['NAME']}"
    return f"postgresql://{of['USER']}@{of['HOST']}:{of['PORT']}/{of['NAME']}"
