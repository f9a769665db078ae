"""What the project needs from the machine: one function per need, each raising Missing with one clear sentence.

This file and setup.py run before anything is installed, on whatever Python the machine has: standard library only,
and syntax that an old Python can still read far enough to be told that it is too old.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

GIB = 1024**3


class Missing(Exception):
    """Something the machine lacks; the message is a sentence that says what to do."""


def need_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """The interpreter is one the lock has wheels for, and can make virtual environments."""
    if not (3, 11) <= version <= (3, 13):
        found = ".".join(map(str, version))
        raise Missing(f"Python 3.11, 3.12 or 3.13 is needed and this is {found}; run `make PYTHON=python3.11 …`.")
    try:
        import ensurepip  # noqa: F401  (Debian ships it in a package of its own)
        import venv  # noqa: F401
    except ImportError:
        raise Missing("Python's venv module is incomplete; install the package python3-venv and start again.") from None


def need_full_text_search() -> None:
    """SQLite with FTS5, which the browser of pairs searches with; builds of Python without it are rare."""
    try:
        import sqlite3

        with closing(sqlite3.connect(":memory:")) as database:
            database.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
    except (ImportError, sqlite3.OperationalError):
        raise Missing("This Python's SQLite lacks FTS5; run `make PYTHON=…` with a Python that has it.") from None


def need_platform(system: str = sys.platform, machine: str = platform.machine()) -> None:
    """vLLM's CPU build exists for Linux on x86-64 only."""
    if system != "linux" or machine != "x86_64":
        raise Missing(f"vLLM's CPU build needs Linux on x86-64 and this is {system} on {machine}; use Docker.")


def need_writable(folder: Path) -> None:
    """The checkout can be written, since everything is kept inside it."""
    try:
        # Asking for permission is not enough: a file system may be mounted read-only.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        raise Missing(f"{folder} cannot be written; clone the repository into a folder of your own.") from None


def need_disk(folder: Path, wanted: int) -> None:
    """`wanted` bytes are free where `folder` is; ALIGNAPP_DISK_GIB sets another bound."""
    wanted = int(float(os.environ.get("ALIGNAPP_DISK_GIB") or wanted / GIB) * GIB)
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise Missing(
            f"{wanted / GIB:.1f} GiB of free disk are needed at {folder} and {free / GIB:.1f} GiB are there; "
            "free some space and start again."
        )


def need_compiler() -> None:
    """A C++ compiler, for torch.compile: vLLM compiles a kernel when it is first asked for log-probabilities."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "c++"]
    if not any(shutil.which(name) for name in names):
        raise Missing("No C++ compiler was found; install g++ (Debian: apt-get install g++) or name one in CXX.")


def need_port(port: int, what: str, variable: str) -> None:
    """Nothing listens on 127.0.0.1:`port`."""
    with socket.socket() as probe:
        # As the servers do: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise Missing(
                f"Port {port} ({what}) is in use; stop what listens there or choose another with {variable}=…."
            ) from None


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def chromium() -> Path:
    """The browser for tests: CHROMIUM, or on PATH, or installed now where we may."""
    found = _browser()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium for the browser tests (apt-get) …", flush=True)
        apt_install("chromium")
        found = _browser()
    if found is None:
        raise Missing(
            "Chromium was not found and cannot be installed here without root; install it "
            "(Debian: apt-get install chromium) or name its executable in CHROMIUM."
        )
    return found


def _browser() -> Path | None:
    named = os.environ.get("CHROMIUM")
    if named and not shutil.which(named):
        raise Missing(f"CHROMIUM names {named}, which is not an executable; correct or unset it.")
    candidates = [named] if named else ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    found = next((path for path in map(shutil.which, candidates) if path), None)
    return Path(found) if found else None


def postgresql_binaries() -> Path:
    """The folder that holds initdb and postgres: on PATH, or where Debian puts them, or installed now where we may."""
    found = _postgresql_folder()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing PostgreSQL for its test run (apt-get) …", flush=True)
        apt_install("postgresql")
        found = _postgresql_folder()
    if found is None:
        raise Missing(
            "PostgreSQL's initdb and postgres were not found and cannot be installed here without root; "
            "install them (Debian: apt-get install postgresql) or put their folder on PATH."
        )
    return found


def _postgresql_folder() -> Path | None:
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def apt_install(package: str) -> None:
    """Install one Debian package as root; raises Missing with apt-get's last line."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "-q", "update"], ["apt-get", "-qy", "install", "--no-install-recommends", package]):
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Missing(f"apt-get could not install {package}: {' '.join(last)}")
