"""The line that tells what is being done while the demo is set up, and that nobody is misled by one left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from comparisons.demo.preparing import BYTES, preparing, told
from comparisons.demo.waiting import StageFailed

KILLED = """
import os, django
django.setup()
from comparisons.demo.preparing import preparing
with preparing(print) as tell:
    tell("Islands base: training")
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.HOME = tmp_path
    return tmp_path


def test_the_line_told_last_stands_until_the_demo_is_ready():
    said: list[str] = []
    assert told() is None
    with preparing(said.append) as tell:
        assert told() == ""
        for line in ("Data: sampling 6 answers to each of 840 prompts", "Data: ready"):
            tell(line)
            assert told() == line
    assert told() is None
    assert said == ["Data: sampling 6 answers to each of 840 prompts", "Data: ready"]


def test_a_stage_that_fails_leaves_no_line():
    def fail(line: str) -> None:
        raise StageFailed(line)

    with pytest.raises(StageFailed), preparing(fail) as tell:
        tell("Islands base: training")
    assert told() is None


def test_what_a_killed_guide_left_says_nothing(home: Path):
    environment = {"ALIGNAPP_HOME": str(home), "DJANGO_SETTINGS_MODULE": "alignapp.settings", "DEBUG": "true"}
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", KILLED], cwd=root, env=environment, check=False, capture_output=True)
    assert (home / "demo" / "preparing").read_text().strip() == "Islands base: training"
    assert told() is None


def test_a_long_line_is_cut_between_letters():
    with preparing(lambda _: None) as tell:
        tell("β" * BYTES)
        assert told() == "β" * (BYTES // 2)
        tell("a" + "β" * BYTES)
        assert told() == "a" + "β" * (BYTES // 2 - 1)
