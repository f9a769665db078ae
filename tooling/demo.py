"""`make demo` and `make demo-check`: look at what is needed, migrate, run every process, and leave none behind."""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from tooling import needs
from tooling.descendants import adopt_orphans, end_descendants
from tooling.needs import GIB, Missing

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = ["web", "worker-cpu", "worker-live", "worker-gpu", "beat", "vllm", "broker"]
# Variable that sets the port, what listens there, the port without it.
PORTS = {"PORT": ("the web pages", 8000), "BROKER_PORT": ("the broker", 6390), "VLLM_PORT": ("vLLM", 8100)}
# The demo's own data: database, sealed versions, checkpoints of a few runs.
DISK = 2 * GIB
# Seconds for what is left after honcho ended: a trainer whose worker was lost writes its checkpoint, vLLM's workers go.
GRACE = 30.0
# Seconds after which honcho itself is given up; it kills what has not ended after 40.
PATIENCE = 60.0
# Exit status after Ctrl-C, as shells have it.
INTERRUPTED = 128 + signal.SIGINT


def main() -> None:
    """Run the demo, or with --check the same loop without a person."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="no person: simulated raters, a report, then the end")
    check: bool = parser.parse_args().check
    try:
        raise SystemExit(run_check() if check else run_demo())
    except Missing as missing:
        raise SystemExit(f"demo: {missing}") from None


def run_demo() -> int:
    """Run until Ctrl-C; return the exit status."""
    home = Path(os.environ.get("ALIGNAPP_HOME") or ROOT / "var").resolve()
    environment = processes_environment(home, os.environ)
    with only_one(home):
        check_machine(home, environment)
        prepare(environment)
        status = supervise("demo", environment)
    # Ctrl-C is how a demo ends: not a failure.
    return 0 if status == INTERRUPTED else status


def run_check() -> int:
    """Run the loop once in a fresh home on free ports; return the status of `manage.py demo_check`."""
    home = Path(os.environ.get("ALIGNAPP_HOME") or ROOT / "var").resolve() / "check"
    ports = {variable: str(needs.free_port()) for variable in PORTS}
    # Its simulated raters are faster than people.
    haste = {"RATING_MOST_PER_MINUTE": "0"}
    environment = processes_environment(home, {**os.environ, **ports, **haste})
    with only_one(home.parent, "demo-check"):
        shutil.rmtree(home, ignore_errors=True)
        check_machine(home, environment)
        prepare(environment)
        return supervise("demo-check", environment)


def processes_environment(home: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The variables every process reads; what the user has set wins."""
    home.mkdir(parents=True, exist_ok=True)
    ports = {variable: given.get(variable) or str(default) for variable, (_, default) in PORTS.items()}
    for variable, port in ports.items():
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise Missing(f"{variable} is {port!r}; write a port number from 1 to 65535.")
    return {
        "HF_HUB_OFFLINE": "1",
        **given,
        **ports,
        "ALIGNAPP_HOME": str(home),
        "BROKER_URL": f"redis://127.0.0.1:{ports['BROKER_PORT']}/0",
        "SECRET_KEY": given.get("SECRET_KEY") or secret_key(home / "secret-key"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{given.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
    }


def secret_key(path: Path) -> str:
    """The signing key of this home, made at the first start and readable by its owner alone."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
    return path.read_text()


@contextmanager
def only_one(home: Path, name: str = "demo") -> Iterator[None]:
    """Hold the home's lock, so that two demos do not write to one database."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Missing(f"make {name} is already running on {home}; stop it with Ctrl-C there first.") from None
        yield


def check_machine(home: Path, environment: dict[str, str]) -> None:
    """Everything that would otherwise fail half-way, before anything starts."""
    do_without_compiler(environment)
    home.mkdir(parents=True, exist_ok=True)
    needs.need_disk(home, DISK)
    for variable, (what, _) in PORTS.items():
        needs.need_port(int(environment[variable]), what, variable)


def do_without_compiler(environment: MutableMapping[str, str]) -> None:
    """Say that there is no compiler, and switch off what would call one: vLLM's engine dies of the failed call."""
    try:
        needs.need_compiler()
    except Missing as missing:
        print(f"{missing} Until then torch.compile stays off: on a CPU that costs little.", flush=True)
        environment["TORCHDYNAMO_DISABLE"] = "1"


def prepare(environment: Mapping[str, str]) -> None:
    """Bring the database and the static files up to date."""
    print("Preparing the database and the static files …", flush=True)
    for command in (["migrate", "--verbosity", "0"], ["collectstatic", "--noinput", "--verbosity", "0"]):
        done = subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=dict(environment))
        if done.returncode:
            raise Missing(f"`manage.py {command[0]}` failed; its message is above.")


def supervise(guide: str, environment: Mapping[str, str]) -> int:
    """Run all processes until they end or a signal comes, then end whatever is left; return the exit status."""
    print(f"Starting {', '.join(PROCESSES)}; their logs are in {environment['ALIGNAPP_HOME']}/log.", flush=True)
    adopt_orphans()
    supervisor = Supervisor(guide, environment)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stop())
    try:
        status = supervisor.wait()
    finally:
        killed = end_descendants(GRACE)
    for command in killed:
        print(f"Had to be killed after {GRACE:.0f} s: {command[:100]}", flush=True)
    print("Every process has ended.", flush=True)
    return INTERRUPTED if supervisor.stopped_at is not None else status


class Supervisor:
    """The process that runs honcho, in a session of its own so that Ctrl-C reaches it only through `stop`."""

    def __init__(self, guide: str, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "tooling.processes", guide, *PROCESSES]
        self.process = subprocess.Popen(command, cwd=ROOT, env=dict(environment), start_new_session=True)
        self.stopped_at: float | None = None

    def stop(self) -> None:
        """Tell it to end all processes; asked again, do not wait for it."""
        if self.stopped_at is None:
            self.stopped_at = time.monotonic()  # first, since a second signal may come before this one is dealt with
            self.process.terminate()
            print("\nStopping …", flush=True)
        else:
            self.process.kill()

    def wait(self) -> int:
        """Wait for its end; stop it too when `make` was killed and can no longer pass on a Ctrl-C."""
        parent = os.getppid()
        while True:
            try:
                return self.process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                if self.stopped_at is None:
                    if os.getppid() != parent:
                        self.stop()
                elif time.monotonic() > self.stopped_at + PATIENCE:
                    self.process.kill()


if __name__ == "__main__":
    main()
