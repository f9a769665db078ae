"""Pages in tests do without Arrow and pandas, as in the web process (alignapp.web)."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.test.client import ClientHandler

from alignapp.web import LEFT_TO_WORKERS

_thread = threading.local()


@contextmanager
def as_a_worker() -> Iterator[None]:
    """Within a page of a test, what stands for a worker that was quick."""
    page, _thread.makes_page = getattr(_thread, "makes_page", False), False
    try:
        yield
    finally:
        _thread.makes_page = page


@contextmanager
def pages_do_without_arrow() -> Iterator[None]:
    """Until the end, an import of what is left to workers fails while a page of the test client is made.

    By thread, since workers of the same test may run beside.
    """
    imports, answers = builtins.__import__, ClientHandler.get_response

    def importing(name: str, *rest: Any, **more: Any) -> Any:
        package = name.partition(".")[0]
        if package in LEFT_TO_WORKERS and getattr(_thread, "makes_page", False):
            raise ModuleNotFoundError(f"A page needs {name}, which is left to workers.", name=package)
        return imports(name, *rest, **more)

    def answering(handler: ClientHandler, request: Any) -> Any:
        _thread.makes_page = True
        try:
            return answers(handler, request)
        finally:
            _thread.makes_page = False

    builtins.__import__, ClientHandler.get_response = importing, answering  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        builtins.__import__, ClientHandler.get_response = imports, answers  # type: ignore[method-assign]
