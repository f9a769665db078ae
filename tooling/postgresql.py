"""A PostgreSQL of one's own in a temporary folder, for tests and measurements."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tooling import needs


@contextmanager
def private_postgresql(*settings: str) -> Iterator[str]:
    """Start a server and give the DATABASE_URL of a superuser in it; raises needs.Missing without its binaries.

    `settings` are name=value; the data is gone at the end.
    """
    binaries = needs.postgresql_binaries()
    # The server refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else getpass.getuser()
    port = needs.free_port()
    folder = Path(tempfile.mkdtemp(prefix="alignapp-postgresql-"))
    shutil.chown(folder, pwd.getpwnam(user).pw_uid)
    data = folder / "data"
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "alignapp", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
        user=user,
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wanted = ["listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", *settings]
    options = [word for setting in wanted for word in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-p", str(port), *options],
            user=user,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"postgresql://alignapp@127.0.0.1:{port}/postgres"
        _wait_for_connection(url)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)
        shutil.rmtree(folder)


def _wait_for_connection(url: str, timeout: float = 30.0) -> None:
    """Return when the server takes connections; raises psycopg.OperationalError after `timeout` seconds."""
    import psycopg

    deadline = time.monotonic() + timeout
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
