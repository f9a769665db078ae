"""The whole product for tests in a real browser: web, broker, workers, beat, vLLM, on a fresh home and free ports."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from honcho.environ import parse_procfile
from playwright.sync_api import Browser, BrowserContext, Page

from tooling import needs
from tooling.demo import processes_environment
from tooling.descendants import descendants
from training.runs.process_groups import end_group

# Variables by which the tests' own process is set up; the product must do without them.
OF_THE_TESTS = {"DEBUG", "BROKER_URL", "ALIGNAPP_HOME", "DJANGO_ALLOW_ASYNC_UNSAFE"}
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROCESSES = ("broker", "web", "worker-cpu", "worker-live", "worker-gpu", "beat", "vllm")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pages are looked at last, when the other tests have filled them."""
    last = [item for item in items if item.path.name == "test_accessibility.py"]
    others = [item for item in items if item.path.name != "test_accessibility.py"]
    end = max((place for place, item in enumerate(others, 1) if item.path.parent == HERE), default=0)
    items[:] = others[:end] + last + others[end:]


@dataclass
class Stack:
    """A running product: its address, its home, its processes by name."""

    address: str
    home: Path
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]]

    def manage(self, *arguments: str) -> str:
        """Run a management command against the stack's database."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, module: str) -> str:
        """Run a module in the stack's environment; what it says. One thread, since the others' are busy."""
        command, environment = [sys.executable, "-m", module], self.environment | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def web_megabytes(self) -> float:
        """Resident memory of the largest web process, from /proc."""
        root = self.processes["web"].pid
        found = []
        for process in (root, *descendants(root)):
            status = Path(f"/proc/{process}/status").read_text()
            found += re.findall(r"VmRSS:\s+(\d+) kB", status)
        return max(int(kilobytes) for kilobytes in found) / 1000

    def start(self, name: str) -> None:
        """Start one process of the Procfile in a group of its own, its output in a log file."""
        command = parse_procfile((ROOT / "Procfile").read_text()).processes[name]
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, shell=True, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self) -> None:
        """End everything, also what hides in groups of its own (trainers, vLLM's workers)."""
        below = {pid for process in self.processes.values() for pid in descendants(process.pid)}
        for process in self.processes.values():
            end_group(process.pid, grace=10)
            process.wait()
        for pid in below:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)

    def logs(self) -> str:
        """The end of every log, for a failure that cannot be understood without."""
        return "\n".join(f"--- {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.home.glob("*.log")))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Stack]:
    """The product, started once for all browser tests."""
    home = tmp_path_factory.mktemp("stack")
    ports = {name: str(needs.free_port()) for name in ("PORT", "BROKER_PORT", "VLLM_PORT")}
    clean = {name: value for name, value in os.environ.items() if name not in OF_THE_TESTS}
    environment = processes_environment(home, clean | ports | {"HF_HUB_OFFLINE": "1", "RUN_HEARTBEAT_TIMEOUT": "10"})
    running = Stack(f"http://127.0.0.1:{ports['PORT']}", home, environment, {})
    shutil.copy(migrated_file, home / "alignapp.sqlite3")
    running.manage("collectstatic", "--noinput", "--verbosity", "0")
    running.run("tests.e2e.prepare")
    try:
        for name in PROCESSES:
            running.start(name)
        wait_for_web(running)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def data_pages(stack: Stack) -> dict[str, str]:
    """Addresses of pages about data with something on them, by name."""
    addresses: dict[str, str] = json.loads(stack.run("tests.e2e.data_pages"))
    return addresses


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Stack]:
    """The web process alone on a home of its own, with the people of prepare_rating.py."""
    home = tmp_path_factory.mktemp("site")
    clean = {name: value for name, value in os.environ.items() if name not in OF_THE_TESTS}
    port = str(needs.free_port())
    environment = processes_environment(home, clean | {"PORT": port, "RATING_MOST_PER_MINUTE": "0"})
    running = Stack(f"http://127.0.0.1:{port}", home, environment, {})
    shutil.copy(migrated_file, home / "alignapp.sqlite3")
    running.manage("collectstatic", "--noinput", "--verbosity", "0")
    running.run("tests.e2e.prepare_rating")
    try:
        running.start("web")
        wait_for_web(running)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def study_pages(site: Stack) -> dict[str, dict[str, str]]:
    """Addresses of pages about studies with something on them: of the researcher rosa and the rater ilse, by name."""
    addresses: dict[str, dict[str, str]] = json.loads(site.run("tests.e2e.study_pages"))
    return addresses


def wait_for_web(stack: Stack, seconds: float = 60) -> None:
    """Return when the web process answers; fails with the logs after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(f"{stack.address}/health/").is_success:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, stack.logs()
        time.sleep(0.2)


@pytest.fixture
def context(browser: Browser, stack: Stack) -> Iterator[BrowserContext]:
    """A fresh browser profile."""
    opened = browser.new_context(base_url=stack.address, viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()


@pytest.fixture
def at_site(browser: Browser, site: Stack) -> Iterator[BrowserContext]:
    """A fresh browser profile for the web process alone."""
    opened = browser.new_context(base_url=site.address, viewport={"width": 1280, "height": 900})
    yield opened
    opened.close()


def log_in(context: BrowserContext, username: str, password: str = "islands") -> Page:
    """A page with this person logged in."""
    page = context.new_page()
    page.goto("/login/")
    page.fill("input[name=username]", username)
    page.fill("input[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    return page
