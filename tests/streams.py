"""What is asynchronous, run by tests that are not."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def completed(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it returns, in a thread of its own: a browser test may have left an event loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def received(response: Any) -> bytes:
    """The bytes of a streamed response, taken as an ASGI server takes them."""
    return completed(_received(response))


async def _received(response: Any) -> bytes:
    return b"".join([chunk async for chunk in response.streaming_content])
