"""Setup: quick when nothing is to be done, and one sentence for whatever is missing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tooling import needs, setup

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_second_setup_takes_less_than_a_second():
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "tooling.setup"], cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")
    assert time.monotonic() - began < 1


def test_another_lock_makes_the_environment_incomplete(tmp_path: Path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("torch==1\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").touch()
    (tmp_path / "stamp").write_text(setup.stamp_text(lock))
    assert setup.is_complete(tmp_path, setup.stamp_text(lock))

    lock.write_text("torch==2\n")
    assert not setup.is_complete(tmp_path, setup.stamp_text(lock))


def test_the_lock_pins_every_direct_dependency():
    names = {line.partition("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    direct = [line.split("#")[0].strip() for line in (ROOT / "requirements.in").read_text().splitlines()]
    wanted = {Requirement(line).name.lower() for line in direct if line}

    assert wanted <= names


def test_the_cpu_lock_leaves_out_what_has_no_cpu_build():
    names = {line.partition("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}

    assert not names & {"torchvision", "torchaudio", "torchcodec"}
    assert not [name for name in names if name.startswith("nvidia-")]


def test_too_little_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALIGNAPP_DISK_GIB", "1000000")

    with pytest.raises(
        needs.Missing, match=r"^1000000\.0 GiB of free disk are needed at .* and .* GiB are there; free "
    ):
        needs.need_disk(tmp_path, 1)


def test_an_old_python_is_one_sentence():
    with pytest.raises(needs.Missing, match=r"^Python 3\.11, 3\.12 or 3\.13 is needed and this is 3\.9; run "):
        needs.need_python((3, 9))


def test_a_python_without_full_text_search_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    needs.need_full_text_search()

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("no such module: fts5")

    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(needs.Missing, match=r"^This Python's SQLite lacks FTS5; run "):
        needs.need_full_text_search()


def test_another_system_is_one_sentence():
    with pytest.raises(needs.Missing, match=r"needs Linux on x86-64 and this is darwin on arm64; use Docker\.$"):
        needs.need_platform("darwin", "arm64")


def test_a_checkout_that_cannot_be_written_is_one_sentence():
    """Nobody may create files in /proc, root included."""
    with pytest.raises(
        needs.Missing, match=r"^/proc/self/fdinfo cannot be written; clone the repository into a folder"
    ):
        needs.need_writable(Path("/proc/self/fdinfo"))


def test_a_missing_compiler_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)

    with pytest.raises(needs.Missing, match=r"^No C\+\+ compiler was found; install g\+\+ "):
        needs.need_compiler()


def test_a_missing_browser_is_one_sentence_where_it_cannot_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)

    with pytest.raises(needs.Missing, match=r"^Chromium was not found and cannot be installed here"):
        needs.chromium()


def test_a_wrong_chromium_variable_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")

    with pytest.raises(needs.Missing, match=r"^CHROMIUM names /nowhere/chromium, which is not an executable"):
        needs.chromium()


def test_pip_without_a_cpu_build_of_torch_says_which_variable_to_set(tmp_path: Path):
    output = "ERROR: No matching distribution found for torch==2.13.0+cpu"

    assert "PIP_EXTRA_INDEX_URL" in setup.failure(output, tmp_path / "setup.log")


def test_any_other_failure_of_pip_shows_its_last_error_and_the_log(tmp_path: Path):
    sentence = setup.failure("Collecting x\nERROR: a\nERROR: disk full\n", tmp_path / "setup.log")

    assert sentence == f"pip failed: ERROR: disk full (everything it said is in {tmp_path / 'setup.log'})."
