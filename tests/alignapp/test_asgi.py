"""How requests get their threads."""

from __future__ import annotations

import asyncio
import errno
import io
import tempfile
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse

from alignapp.asgi import AT_ONCE, Handler, application
from alignapp.threads import MOST_IDLE, KeptThread
from tests.streams import completed


async def thread_of_a_request() -> int:
    async with KeptThread():
        return await sync_to_async(threading.get_ident)()


@pytest.fixture(autouse=True)
def no_kept_threads():
    KeptThread.idle.clear()


def test_everything_in_one_request_runs_in_one_thread():
    async def request():
        async with KeptThread():
            return [await sync_to_async(threading.get_ident)() for _ in range(3)]

    assert len(set(completed(request()))) == 1


def test_one_request_after_the_other_has_the_same_thread():
    async def requests():
        found = []
        for _ in range(3):
            found.append(await thread_of_a_request())
            while not KeptThread.idle:
                await asyncio.sleep(0.001)
        return found

    assert len(set(completed(requests()))) == 1


def test_requests_at_once_have_threads_of_their_own():
    both = threading.Barrier(2, timeout=10)

    async def request():
        async with KeptThread():
            await sync_to_async(both.wait)()
            return await sync_to_async(threading.get_ident)()

    async def requests():
        return await asyncio.gather(request(), request())

    assert len(set(completed(requests()))) == 2


def test_a_thread_that_is_still_at_work_for_a_request_that_was_given_up_serves_no_other():
    begun, done = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        done.wait(10)

    async def given_up():
        async with KeptThread():
            await sync_to_async(work)()

    async def requests():
        task = asyncio.create_task(given_up())
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0.05)
        try:
            return await asyncio.wait_for(thread_of_a_request(), 5)
        finally:
            done.set()
            await asyncio.gather(task, return_exceptions=True)

    assert completed(requests())


def test_no_more_threads_are_kept_than_answer_at_once():
    together = threading.Barrier(2 * MOST_IDLE, timeout=20)

    async def request():
        async with KeptThread():
            await sync_to_async(together.wait)()

    async def requests():
        before = threading.active_count()
        await asyncio.gather(*(request() for _ in range(2 * MOST_IDLE)))
        while threading.active_count() > before + MOST_IDLE:
            await asyncio.sleep(0.01)
        return len(KeptThread.idle)

    assert completed(requests()) == MOST_IDLE


class Slow(Handler):
    """Answers when told to, and counts how many it is at work on and which it has answered."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.at_once = 0
        self.answered: list[str] = []

    def _answer(self, request: HttpRequest) -> HttpResponse:
        self.at_once += 1
        self.go_on.wait(20)
        self.answered.append(str(request.method))
        return HttpResponse("")


async def abandoned(handler: Slow, methods: list[str]) -> None:
    """Requests whose askers leave after a moment."""
    tasks = []
    for method in methods:
        request = HttpRequest()
        request.method = method
        tasks.append(asyncio.create_task(handler.get_response_async(request)))
    await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_requests_that_were_given_up_keep_their_places_until_their_threads_are_free():
    async def requests() -> int:
        handler = Slow()
        for _ in range(3):
            await abandoned(handler, ["GET"] * AT_ONCE)
        at_once = handler.at_once
        handler.go_on.set()
        await asyncio.gather(*handler.at_work)
        return at_once

    assert completed(requests()) == AT_ONCE


def test_what_was_sent_is_worked_on_although_its_sender_left_before_it_was_its_turn():
    async def requests() -> list[str]:
        handler = Slow()
        await abandoned(handler, ["GET"] * AT_ONCE + ["POST", "GET"])
        handler.go_on.set()
        await asyncio.gather(*handler.at_work)
        return handler.answered

    answered = completed(requests())
    assert (answered.count("GET"), answered.count("POST")) == (AT_ONCE, 1)


@pytest.mark.django_db(transaction=True)
def test_a_page_is_answered_over_asgi():
    async def get(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(application)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)

    assert completed(get("/login/")).status_code == 200
    assert completed(get("/no-such-page/")).status_code == 404


def test_only_http_is_served():
    with pytest.raises(ValueError, match="Only HTTP is served here, not websocket"):
        completed(application({"type": "websocket"}, None, None))


class FullDisk(io.BytesIO):
    """Takes nothing."""

    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


# Nothing is asked of the database, but a kept thread may have its connection from an earlier test, which is looked at.
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("parts", [1, 3])
def test_a_body_that_the_disk_has_no_room_for_is_answered_with_a_sentence(monkeypatch, parts):
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda **_: FullDisk())

    async def body() -> AsyncIterator[bytes]:
        for _ in range(parts):
            yield b"x" * 100

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(application)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post("/datasets/new/", content=body())

    answer = completed(asyncio.wait_for(post(), 20))
    assert answer.status_code == 507
    assert "The disk is full" in answer.text
