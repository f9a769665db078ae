"""How the tests share two cores."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TWO_FILES = """
import os, pathlib, pytest
pytestmark = pytest.mark.xdist_group("{name}")

@pytest.mark.parametrize("number", range(6))
def test_nothing(number):
    pathlib.Path("{name}").open("a").write(os.environ["PYTEST_XDIST_WORKER"] + " ")
"""


def test_a_group_of_tests_stays_in_one_process(tmp_path: Path):
    """pytest 9.2 and pytest-xdist 3.8 together ignore groups, silently."""
    names = "one", "other"
    for name in names:
        (tmp_path / f"test_{name}.py").write_text(TWO_FILES.format(name=name))
    options = ["-n", "2", "--dist", "loadgroup", "-q", "--rootdir", ".", "-p", "no:django"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names:
        processes = (tmp_path / name).read_text().split()
        assert len(processes) == 6
        assert len(set(processes)) == 1
