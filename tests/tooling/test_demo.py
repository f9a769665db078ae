"""The supervisor of `make demo`: refuses with a sentence, and leaves no process behind.

Each test runs it in a small checkout of its own, with this repository's tooling and a Procfile of harmless processes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tooling import demo, needs

ROOT = Path(__file__).resolve().parent.parent.parent
PROCFILE = """\
web: exec sleep 1000
worker-cpu: exec sleep 1000
worker-live: exec sleep 1000
worker-gpu: {worker_gpu}
beat: {beat}
vllm: exec sleep 1000
broker: exec python -m tooling.broker
demo: exec python manage.py demo
demo-check: exec python manage.py demo_check
"""
MANAGE = """\
import sys, time
if sys.argv[1] == "demo":
    time.sleep(1.5)  # a real guide takes longer; honcho ends only processes whose start it has heard of
    print("demo is ready", flush=True)
    time.sleep(1000)
if sys.argv[1] == "demo_check":
    print("checking", flush=True)
    sys.exit(7)
"""
# A trainer: in a session of its own, deaf to SIGTERM, and holding its parent's output open.
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"
ORPHANS = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {DEAF!r}], start_new_session=True)"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose processes do nothing."""
    shutil.copytree(ROOT / "tooling", tmp_path / "tooling", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "manage.py").write_text(MANAGE)
    (tmp_path / "Procfile").write_text(PROCFILE.format(worker_gpu="exec sleep 1000", beat="exec sleep 1000"))
    # What is left after honcho has ended is killed after two seconds here, not after thirty.
    source = tmp_path / "tooling/demo.py"
    source.write_text(source.read_text().replace("GRACE = 30.0", "GRACE = 2.0"))
    return tmp_path


@pytest.fixture
def start(checkout: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python -m tooling.demo` there on free ports; whatever still runs at the end is ended."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        ports = {variable: str(needs.free_port()) for variable in demo.PORTS}
        environment = {**os.environ, "ALIGNAPP_HOME": str(checkout / "var"), **ports, **variables}
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "tooling.demo", *arguments],
                cwd=checkout,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
    # What a failed test leaves holds the output pipe open: it must go before the pipe's end is awaited.
    for pid in pids_of(checkout):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for process in started:
        process.communicate(timeout=10)


def processes_of(checkout: Path) -> list[str]:
    """Commands of the living processes whose working directory is the checkout."""
    return list(pids_of(checkout).values())


def pids_of(checkout: Path) -> dict[int, str]:
    """The same by process id."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").resolve() == checkout:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return {pid: command for pid, command in found.items() if command}


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    """Return when the guide has said that it is ready."""
    assert process.stdout is not None
    for line in process.stdout:
        if "demo is ready" in line:
            return
    pytest.fail("the demo ended before it was ready")


def test_ctrl_c_ends_every_process(checkout: Path, start: Callable[..., subprocess.Popen[str]]):
    process = start()
    wait_until_ready(process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "Every process has ended." in output
    assert processes_of(checkout) == []


def test_a_second_ctrl_c_does_not_wait(checkout: Path, start: Callable[..., subprocess.Popen[str]]):
    (checkout / "deaf.py").write_text(DEAF)
    (checkout / "Procfile").write_text(PROCFILE.format(worker_gpu="exec python deaf.py", beat="exec sleep 1000"))
    process = start()
    wait_until_ready(process)
    wait_for(lambda: any("deaf.py" in command for command in processes_of(checkout)))
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert any("Stopping" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)

    assert process.returncode == 0
    assert processes_of(checkout) == []


def test_a_deaf_grandchild_in_its_own_session_is_ended_too(checkout: Path, start: Callable[..., subprocess.Popen[str]]):
    (checkout / "trainer.py").write_text(f"{ORPHANS}\ntime.sleep(1000)\n")
    (checkout / "Procfile").write_text(PROCFILE.format(worker_gpu="exec python trainer.py", beat="exec sleep 1000"))
    process = start()
    wait_until_ready(process)
    wait_for(lambda: any("SIG_IGN" in command and "-c" in command for command in processes_of(checkout)))
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)

    assert "Had to be killed" in output
    assert processes_of(checkout) == []


def test_a_process_that_fails_ends_all_and_shows_its_last_lines(
    checkout: Path, start: Callable[..., subprocess.Popen[str]]
):
    failing = "echo the schedule is broken; exit 3"
    (checkout / "Procfile").write_text(PROCFILE.format(worker_gpu="exec sleep 1000", beat=failing))
    process = start()
    output, _ = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "beat ended with status 3" in output
    assert "the schedule is broken" in output
    assert processes_of(checkout) == []


def test_nothing_outlives_a_supervisor_that_was_killed(checkout: Path, start: Callable[..., subprocess.Popen[str]]):
    process = start()
    wait_until_ready(process)
    process.kill()

    wait_for(lambda: processes_of(checkout) == [])
    assert processes_of(checkout) == []


def test_the_check_ends_with_the_status_of_its_guide(checkout: Path, start: Callable[..., subprocess.Popen[str]]):
    process = start("--check")
    output, _ = process.communicate(timeout=30)

    assert process.returncode == 7
    assert "checking" in output
    assert processes_of(checkout) == []


def test_a_port_in_use_is_one_sentence(start: Callable[..., subprocess.Popen[str]]):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = start(PORT=str(port))
        output, _ = process.communicate(timeout=30)

    assert process.returncode == 1
    assert output == (
        f"demo: Port {port} (the web pages) is in use; stop what listens there or choose another with PORT=….\n"
    )


def test_a_port_that_is_no_number_is_one_sentence(start: Callable[..., subprocess.Popen[str]]):
    process = start(VLLM_PORT="eighty")
    output, _ = process.communicate(timeout=30)

    assert (process.returncode, output) == (
        1,
        "demo: VLLM_PORT is 'eighty'; write a port number from 1 to 65535.\n",
    )


def test_too_little_disk_is_one_sentence(start: Callable[..., subprocess.Popen[str]]):
    process = start(ALIGNAPP_DISK_GIB="1000000")
    output, _ = process.communicate(timeout=30)

    assert process.returncode == 1
    assert output.startswith("demo: 1000000.0 GiB of free disk are needed at ")
    assert output.count("\n") == 1


def test_a_second_demo_on_the_same_data_is_refused(start: Callable[..., subprocess.Popen[str]]):
    wait_until_ready(start())
    second = start()
    output, _ = second.communicate(timeout=30)

    assert second.returncode == 1
    assert output.startswith("demo: make demo is already running on ")


def test_without_a_compiler_the_demo_says_so_and_switches_compilation_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    environment: dict[str, str] = {}
    demo.do_without_compiler(environment)

    assert environment == {"TORCHDYNAMO_DISABLE": "1"}
    assert capsys.readouterr().out.startswith("No C++ compiler was found; install g++ ")


def test_the_signing_key_is_made_once_and_for_its_owner_alone(tmp_path: Path):
    key = demo.secret_key(tmp_path / "secret-key")

    assert len(key) >= 50
    assert demo.secret_key(tmp_path / "secret-key") == key
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600


def wait_for(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    """Return when `condition` holds; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.1)
