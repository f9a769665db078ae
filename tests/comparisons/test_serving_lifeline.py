"""The engine's process group ends with its keeper, however the keeper ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from training.runs.process_groups import group_exists

ROOT = Path(__file__).resolve().parents[2]
# A program with a child of its own; both ignore SIGTERM when told to.
PARENT = (
    "import signal, subprocess, sys, time;"
    "sys.argv[1] == 'deaf' and signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "time.sleep(600)"
)
KEEPER = (
    "import subprocess, sys, time;"
    "process = subprocess.Popen([sys.executable, '-m', 'comparisons.serving.lifeline', *sys.argv[1:]],"
    " stdin=subprocess.PIPE, start_new_session=True);"
    "time.sleep(600)"
)


def start(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "comparisons.serving.lifeline", *command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def group_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def wait_until_gone(group: int, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while group_exists(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not group_exists(group)


@pytest.fixture
def lifeline() -> Iterator[subprocess.Popen[str]]:
    process = start(sys.executable, "-c", PARENT, "polite")
    yield process
    process.kill()
    with process:
        pass


def test_closing_standard_input_ends_the_whole_group(lifeline: subprocess.Popen[str]):
    group = group_of(lifeline)
    assert group_exists(group)
    assert lifeline.stdin is not None
    lifeline.stdin.close()
    assert lifeline.wait(10) == 128 + signal.SIGTERM
    assert wait_until_gone(group)


def test_sigterm_ends_the_whole_group(lifeline: subprocess.Popen[str]):
    group = group_of(lifeline)
    lifeline.terminate()
    assert lifeline.wait(10) == 128 + signal.SIGTERM
    assert wait_until_gone(group)


def test_a_killed_keeper_leaves_nothing_behind():
    command = [sys.executable, "-c", KEEPER, sys.executable, "-c", PARENT, "polite"]
    keeper = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    group = group_of(keeper)
    os.kill(keeper.pid, signal.SIGKILL)
    with keeper:
        keeper.wait()
    assert wait_until_gone(group)


def test_a_command_that_ends_by_itself_ends_the_lifeline_with_its_status():
    process = start(sys.executable, "-c", "raise SystemExit(3)")
    with process:
        assert process.wait(10) == 3


def test_an_engine_that_is_deaf_to_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch):
    """With a grace of 0.5 s instead of 15."""
    program = "import comparisons.serving.lifeline as l, sys; l.GRACE = 0.5; sys.exit(l.main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, sys.executable, "-c", PARENT, "deaf"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    group = group_of(process)
    time.sleep(0.3)  # until it has made itself deaf
    process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGKILL
    assert wait_until_gone(group)
