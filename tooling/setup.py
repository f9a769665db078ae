"""Make the virtual environment from the lock: `python3 -m tooling.setup`.

A stamp with the lock's hash, written last, says that the environment is complete; with it a call only reads two files.
Runs on the machine's own Python before anything is installed: standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tooling import needs
from tooling.needs import GIB, Missing

ROOT = Path(__file__).resolve().parent.parent
# Measured: 3.2 GiB installed, and about 1 GiB of wheels while pip unpacks them.
DISK_CPU = 5 * GIB
# The CUDA libraries alone are more than 5 GiB.
DISK_GPU = 20 * GIB


def main() -> None:
    """Make or complete the environment; one sentence and exit status 1 when something is missing."""
    try:
        make_environment(ROOT / ".venv", ROOT / os.environ.get("ALIGNAPP_LOCK", "requirements.lock"))
    except Missing as missing:
        raise SystemExit(f"setup: {missing}") from None


def make_environment(venv: Path, lock: Path) -> None:
    """Install what `lock` pins into `venv`, unless its stamp says that this was done."""
    wanted = stamp_text(lock)
    if is_complete(venv, wanted):
        return
    check_machine(venv.parent, gpu="gpu" in lock.name)
    with one_at_a_time(venv.parent / "var"):
        if not is_complete(venv, wanted):  # another setup may have finished while this one waited
            install(venv, lock)
            (venv / "stamp").write_text(wanted)


def stamp_text(lock: Path) -> str:
    """What identifies a finished environment: the lock and the Python it was made with."""
    return f"{hashlib.sha256(lock.read_bytes()).hexdigest()} python {sys.version_info[0]}.{sys.version_info[1]}"


def is_complete(venv: Path, wanted: str) -> bool:
    """Whether `venv` works and was completed from the wanted lock."""
    stamp = venv / "stamp"
    return (venv / "bin/python").exists() and stamp.exists() and stamp.read_text() == wanted


def check_machine(folder: Path, *, gpu: bool) -> None:
    """Everything an installation needs, before it starts."""
    needs.need_python()
    needs.need_full_text_search()
    needs.need_platform()
    needs.need_writable(folder)
    needs.need_disk(folder, DISK_GPU if gpu else DISK_CPU)
    if gpu:
        needs.need_compiler()


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the setup lock, so that two `make` calls do not install over each other."""
    folder.mkdir(exist_ok=True)
    with (folder / "setup.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another setup is running in this checkout; waiting for it …", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def install(venv: Path, lock: Path) -> None:
    """Three stages, each with a sentence: the environment, PyTorch, everything else."""
    started = time.monotonic()
    log = venv.parent / "var/setup.log"
    log.write_text("")
    if not runs(venv / "bin/python"):
        print("Setup 1/3: making the virtual environment .venv …", flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pins = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    # First and alone: whatever asks for torch later finds the right build in place.
    print(f"Setup 2/3: installing {torch} …", flush=True)
    pip_install(venv, [torch], log, count=1)
    print(f"Setup 3/3: installing {len(pins) - 1} more packages (a minute or two) …", flush=True)
    pip_install(venv, ["-r", str(lock)], log, count=len(pins))
    print(f"Setup done in {time.monotonic() - started:.0f} s.", flush=True)


def runs(python: Path) -> bool:
    """Whether a virtual environment's interpreter is there, starts, and is of the version that runs this."""
    code = "import sys, pip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, text=True)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.split() == [str(part) for part in sys.version_info[:2]]


def pip_install(venv: Path, what: list[str], log: Path, count: int) -> None:
    """Run pip without dependency resolution, telling how far it is; its own words go to `log`."""
    options = ["--no-deps", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    command = [str(venv / "bin/python"), "-m", "pip", "install", *options, *what]
    # PIP_USER in a user's configuration would install beside the environment.
    process = subprocess.Popen(
        command,
        env={**os.environ, "PIP_USER": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said, found = time.monotonic(), 0
    with log.open("a") as handle:
        for line in process.stdout:
            handle.write(line)
            found += line.startswith(("Collecting ", "Processing ", "Requirement already satisfied"))
            if line.startswith("Installing collected packages"):
                print(f"  all {found} fetched, unpacking …", flush=True)
            elif time.monotonic() - said > 10:
                said = time.monotonic()
                print(f"  {found} of {count} packages fetched …", flush=True)
    if process.wait():
        raise Missing(failure(log.read_text(), log))


def failure(output: str, log: Path) -> str:
    """The sentence for a failed pip run."""
    if "No matching distribution found for torch==" in output:
        return (
            "pip finds no CPU build of PyTorch. Name a package index that has one in PIP_EXTRA_INDEX_URL (PyTorch's "
            "installation page gives the address), or a folder with its wheel in PIP_FIND_LINKS, and start again."
        )
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    return f"pip failed: {errors[-1] if errors else 'without an error line'} (everything it said is in {log})."


if __name__ == "__main__":
    main()
