"""Threads that outlive what they were needed for, with the database connections that belong to them."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from types import TracebackType
from typing import ClassVar, Self

from asgiref.sync import SyncToAsync, ThreadSensitiveContext


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
