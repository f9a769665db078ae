"""Threads that outlive what they were needed for, with the database connections that belong to them."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from types import TracebackType
from typing import ClassVar, Self

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.db import connections

MOST_IDLE = 8  # a thread costs a megabyte with its connection, and PostgreSQL a process


class KeptThread(ThreadSensitiveContext):
    """What runs inside it runs in one thread, which afterwards waits for the next such context instead of ending."""

    idle: ClassVar[list[Executor]] = []

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.executor = self.idle.pop() if self.idle else ThreadPoolExecutor(1)
        SyncToAsync.context_to_thread_executor[self] = self.executor
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        SyncToAsync.context_to_thread_executor.pop(self, None)
        # By the thread itself: whoever closed the connection early may have left it at work.
        self.executor.submit(_keep, self.executor)
        await super().__aexit__(kind, error, trace)


def _keep(executor: Executor) -> None:
    """Run in the thread: it waits for more, or ends with its connections where enough others wait."""
    if len(KeptThread.idle) < MOST_IDLE:
        KeptThread.idle.append(executor)
    else:
        connections.close_all()
        executor.shutdown(wait=False)
