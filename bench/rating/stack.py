"""The web process as `make demo` starts it, on a fresh home and a database of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.report import ROOT
from tooling import needs
from tooling.demo import processes_environment
from tooling.descendants import descendants
from tooling.postgresql import private_postgresql

DATABASES = ("SQLite", "PostgreSQL")


@dataclass
class Web:
    """The running web processes; `peak_bytes` is the most memory that one of them was seen to hold."""

    address: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    peak_bytes: int = 0

    def run(self, *arguments: str) -> str:
        """What a Python module prints that runs in the same home, on the same database."""
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
        return done.stdout


@contextmanager
def web(database: str, **variables: str) -> Iterator[Web]:
    """Start the web process on an empty database of this kind; ends it, and removes both, at the end."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alignapp-bench-")))
        url = f"sqlite:///{home / 'alignapp.sqlite3'}"
        if database == "PostgreSQL":
            url = stack.enter_context(private_postgresql())
        port = str(needs.free_port())
        given = dict(os.environ) | variables | {"PORT": port, "DATABASE_URL": url, "LOG_LEVEL": "WARNING"}
        environment = processes_environment(home, given)
        for command in (["migrate", "--verbosity", "0"], ["collectstatic", "--noinput", "--verbosity", "0"]):
            subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True)
        # As the Procfile has it.
        command = [sys.executable, "-OO", "-m", "alignapp.web", "--host", "127.0.0.1", "--port", port]
        log = stack.enter_context((home / "web.log").open("wb"))
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        running = Web(f"http://127.0.0.1:{port}", environment, process)
        _wait(running, home / "web.log")
        threading.Thread(target=_watch, args=(running,), daemon=True).start()
        yield running


def _wait(running: Web, log: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{running.address}/health/").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"The web process did not start:\n{log.read_text()[-2000:]}")


def _watch(running: Web) -> None:
    """Keep the largest resident size of a process until all have ended."""
    while running.process.poll() is None:
        for process in (running.process.pid, *descendants(running.process.pid)):
            with suppress(FileNotFoundError, ProcessLookupError):
                pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
                running.peak_bytes = max(running.peak_bytes, pages * os.sysconf("SC_PAGE_SIZE"))
        time.sleep(0.5)
