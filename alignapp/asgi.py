"""ASGI entry point, served by uvicorn: one thread answers a whole request, and keeps its database connection.

Django alone starts a thread and opens a connection for every request, and changes threads four times on the way to a
view. Half of the processor time of a judgement was that.
"""

from __future__ import annotations

import os
from concurrent.futures import Executor, ThreadPoolExecutor
from types import TracebackType
from typing import Any, ClassVar, Self

import django
from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")


class KeptThread(ThreadSensitiveContext):
    """What runs inside it runs in one thread, which afterwards waits for the next such context instead of ending."""

    idle: ClassVar[list[Executor]] = []

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        SyncToAsync.context_to_thread_executor[self] = self.idle.pop() if self.idle else ThreadPoolExecutor(1)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        executor = SyncToAsync.context_to_thread_executor.pop(self)
        # By the thread itself: whoever closed the connection early may have left it at work.
        executor.submit(self.idle.append, executor)
        await super().__aexit__(kind, error, trace)


class Handler(ASGIHandler):
    """Django's handler, with every middleware and view in the request's own thread."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Load all of them as what they are, synchronous; `is_async` is what Django asks for here."""
        super().load_middleware(is_async=False)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request over HTTP."""
        if scope["type"] != "http":
            raise ValueError(f"Only HTTP is served here, not {scope['type']}.")
        async with KeptThread():
            await self.handle(scope, receive, send)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """What the middleware and the view say, in one change of threads."""
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)


django.setup(set_prefix=False)
application = Handler()
