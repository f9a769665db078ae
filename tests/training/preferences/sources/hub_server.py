"""A hub on this machine: what the libraries ask of the real one, answered from folders."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40


class Hub(ThreadingHTTPServer):
    """Serves every folder `root`/owner/name as the data set owner/name; `asked` holds the paths that were asked for."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.root = root
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def hub_of(root: Path) -> Iterator[Hub]:
    with Hub(root) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Answers(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        """/datasets/OWNER/NAME/resolve/COMMIT/FILE, /api/datasets/OWNER/NAME/tree/COMMIT/FOLDER, /api/datasets/…"""
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(path)
        is_api = path.startswith("/api/")
        owner, name, what, _, below = [*path.removeprefix("/api").split("/", 6)[2:], *[""] * 5][:5]
        folder = self.server.root / owner / name
        if not path.removeprefix("/api").startswith("/datasets/") or not folder.is_dir():
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif is_api and what == "tree":
            self._send_json([_entry(folder, file) for file in sorted((folder / below).iterdir())])
        elif is_api:
            self._send_json({"id": f"{owner}/{name}", "sha": COMMIT, "siblings": [], "private": False})
        else:
            self._send_file(folder / below)

    def _send_file(self, path: Path) -> None:
        if not path.is_file():
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        content = path.read_bytes()
        return self._send(200, content, {"ETag": f'"{sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT})

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: `asked` holds it."""


def _entry(folder: Path, path: Path) -> dict[str, object]:
    kind, size = ("file", path.stat().st_size) if path.is_file() else ("directory", 0)
    return {"type": kind, "path": str(path.relative_to(folder)), "size": size, "oid": "b" * 40}
