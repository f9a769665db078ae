"""What every test may ask for: a real broker, a real PostgreSQL, a real Chromium; and how tests share two cores."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
import redis

from tests.environment import ROOT_VARIABLE
from tooling import needs
from tooling.broker import broker_command
from tooling.postgresql import private_postgresql

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from training.models import DatasetVersion
    from training.preferences.report import Report

ROOT = Path(__file__).resolve().parent.parent
# Chromium must talk to nobody but the pages under test; as root it refuses to run inside its own sandbox.
CHROMIUM_OPTIONS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file on one worker, and everything that fills a core on the same one, begun first."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group("heavy" if is_heavy(item) else item.nodeid.split("::")[0]))
    items.sort(key=lambda item: not is_heavy(item))


def is_heavy(item: pytest.Item) -> bool:
    """Whether a test runs a browser or a vLLM of its own."""
    return any(item.get_closest_marker(name) for name in ("e2e", "vllm"))


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The browser's executable; a machine without one fails here, with the sentence that says what to install."""
    try:
        return needs.chromium()
    except needs.Missing as missing:
        pytest.fail(str(missing))


@pytest.fixture(scope="session")
def browser(chromium_path: Path) -> Iterator[Browser]:
    """One headless Chromium for the session; every test opens a context of its own."""
    from playwright.sync_api import sync_playwright

    # Playwright keeps an event loop in this thread, which Django would take for a forbidden asynchronous context.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium_path), args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """A real broker of this session's own; the value is its BROKER_URL."""
    port = needs.free_port()
    with tempfile.TemporaryDirectory(prefix="alignapp-broker-") as folder:
        process = subprocess.Popen(broker_command(port, Path(folder)), stdout=subprocess.DEVNULL)
        try:
            wait_for_ping(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(timeout=10)


def wait_for_ping(port: int, timeout: float = 10.0) -> None:
    """Return when the broker answers PING; raises redis.ConnectionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    with redis.Redis(port=port) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A real PostgreSQL of this session's own; the value is a DATABASE_URL of a superuser in it."""
    try:
        needs.postgresql_binaries()
    except needs.Missing as missing:
        pytest.fail(str(missing))
    with private_postgresql("fsync=off") as url:
        yield url


@pytest.fixture(scope="session", autouse=True)
def pages_without_arrow() -> Iterator[None]:
    """Pages do without what the web process does without."""
    from tests.without_arrow import pages_do_without_arrow

    with pages_do_without_arrow():
        yield


def migrate(database_url: str) -> None:
    """Make every table, in a process of its own."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"DATABASE_URL": database_url}, check=True)


@pytest.fixture(scope="session")
def migrated_file() -> Path:
    """A SQLite database with every table, made once for all processes of this session. Tests copy it."""
    file = Path(os.environ[ROOT_VARIABLE]) / "migrated.sqlite3"
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            unfinished = file.with_suffix(".unfinished")
            migrate(f"sqlite:///{unfinished}")
            unfinished.rename(file)
    return file


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_url: str) -> str:
    """The name of a database with every table in that PostgreSQL. Tests make theirs from it."""
    with psycopg.connect(postgresql_url, autocommit=True) as database:
        database.execute("CREATE DATABASE migrated")
    migrate(f"{postgresql_url.rpartition('/')[0]}/migrated")
    return "migrated"


@pytest.fixture
def new_sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """A DATABASE_URL of a SQLite database with every table and nothing in them."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'own.sqlite3')}"


@pytest.fixture
def new_postgresql_url(postgresql_url: str, migrated_postgresql: str) -> str:
    """The same in PostgreSQL."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgresql_url, autocommit=True) as database:
        database.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_postgresql}")
    return f"{postgresql_url.rpartition('/')[0]}/{name}"


@pytest.fixture
def worker_was_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a worker had made the missing reports before anybody looks at one; pages themselves never make one."""
    from tests.without_arrow import as_a_worker
    from training.preferences import reporting

    look = reporting.report_of

    def report_of(version: DatasetVersion) -> Report | None:
        with as_a_worker():
            reporting.make_missing()
        version.refresh_from_db()
        return look(version)

    monkeypatch.setattr(reporting, "report_of", report_of)
