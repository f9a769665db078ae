"""ASGI entry point, served by uvicorn: one thread answers a whole request, and keeps its database connection.

Django alone starts a thread and opens a connection for every request, and changes threads four times on the way to a
view and back. Half of the processor time of a judgement was that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

import django
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.template.loader import render_to_string

from alignapp import disk
from alignapp.threads import MOST_IDLE, KeptThread

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")

# Threads that answer at the same time. Python runs one of them at a time; the others wait for the database.
AT_ONCE = MOST_IDLE


class NoRoom(BytesIO):
    """Stands for a body that the disk had no room for."""


class Handler(ASGIHandler):
    """Django's handler, with every middleware and view in one thread; what is sent and received needs none."""

    def __init__(self) -> None:
        super().__init__()
        self.places = asyncio.Semaphore(AT_ONCE)
        self.at_work: set[asyncio.Task[HttpResponseBase]] = set()

    def load_middleware(self, is_async: bool = False) -> None:
        """Load all of them as what they are, synchronous; `is_async` is what Django asks for here."""
        super().load_middleware(is_async=False)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request over HTTP."""
        if scope["type"] != "http":
            raise ValueError(f"Only HTTP is served here, not {scope['type']}.")
        await self.handle(scope, receive, send)

    async def read_body(self, receive: Any) -> IO[bytes]:
        """What was sent. Where the disk is full the rest is let go, as nobody listens for an answer before the end."""
        more = True

        async def received() -> dict[str, Any]:
            nonlocal more
            message: dict[str, Any] = await receive()
            more = message.get("more_body", False)
            return message

        try:
            return await super().read_body(received)
        except OSError as error:
            if not disk.is_full(error):
                raise
        while more:
            await received()
        return NoRoom()

    def create_request(self, scope: Mapping[str, Any], body_file: IO[bytes]) -> tuple[Any, Any]:
        """The request; or, where there was no room for its body, the page that says so."""
        if isinstance(body_file, NoRoom):
            return None, HttpResponse(render_to_string("507.html"), status=507)
        return super().create_request(scope, body_file)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """What the middleware and the view say, in one change of threads.

        Who leaves before it is their turn gets no page made; what they sent is worked on whether they wait or not. A
        place is free again when its thread is, not when its asker has left.
        """
        reads = request.method in {"GET", "HEAD"}
        if reads:
            await self.places.acquire()
        work = asyncio.create_task(self._in_a_thread(request, has_place=reads))
        self.at_work.add(work)
        work.add_done_callback(self.at_work.discard)
        return await asyncio.shield(work)

    async def _in_a_thread(self, request: HttpRequest, *, has_place: bool) -> HttpResponseBase:
        if not has_place:
            await self.places.acquire()
        try:
            async with KeptThread():
                return await sync_to_async(self._answer)(request)
        finally:
            self.places.release()

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        reset_queries()
        close_old_connections()
        try:
            return self.get_response(request)
        finally:
            close_old_connections()


# Each thread looks after its own connection (`_answer`); as receivers they would run in a thread that has none.
request_started.disconnect(reset_queries)
request_started.disconnect(close_old_connections)
request_finished.disconnect(close_old_connections)
django.setup(set_prefix=False)
application = Handler()
