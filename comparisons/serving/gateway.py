"""The gateway: the only code that talks to vLLM.

`Engine` is what the keeper needs (is it up, what does it serve, load an adapter); `answers` is what generation needs:
many prompts answered with bounded concurrency, each timed by this process's own clock, in the order of arrival.
"""

from __future__ import annotations

import asyncio
import json
import queue
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, cast, overload

import httpx

from comparisons.sampling import REFUSED, Sampling

CONCURRENCY = 32
ATTEMPTS = 4
FIRST_PAUSE = 0.5  # seconds before the second attempt; doubles from attempt to attempt
# A stream that says nothing for this long counts as a failed attempt; a whole answer may take longer.
TIMEOUT = httpx.Timeout(connect=5.0, read=120.0, write=10.0, pool=None)
ANSWER_SECONDS = 900.0
TRIAL_SECONDS = 45.0  # for a few words of a policy that was just loaded

Messages = Sequence[dict[str, str]]


class Unavailable(Exception):
    """Nothing is wrong with the question: ask again later. The message is a sentence for people."""


class EngineDown(Unavailable):
    """The engine does not answer at all."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"vLLM at {url} does not answer ({reason}). `manage.py serve_policies` starts it again; "
            "work goes on by itself as soon as it is up."
        )


class NotServed(Unavailable):
    """The engine answers but does not know the policy (yet)."""

    def __init__(self, served_name: str) -> None:
        super().__init__(f"The engine does not serve {served_name} at the moment. Work goes on once it is loaded.")


class Refused(Exception):
    """The engine will never answer this request; the message is its own reason."""


class Failed(Exception):
    """One attempt failed in a way that the next one may not."""


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt for one policy on one engine."""

    url: str
    served_name: str
    messages: Messages
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Times in seconds, of the attempt that succeeded, from sending the request.

    `error` is the engine's reason when it refused the prompt for good; then there is no text and `finish_reason` is
    "error". `retries` counts the attempts that failed before.
    """

    text: str
    finish_reason: str
    tokens: int
    first_token_seconds: float
    total_seconds: float
    retries: int = 0
    error: str = ""


# --- Many answers -----------------------------------------------------------------------------------------------------


@overload
def answers(questions: Sequence[Question], concurrency: int = ...) -> Iterator[tuple[int, Reply]]: ...
@overload
def answers(
    questions: Sequence[Question], concurrency: int = ..., *, wake_after: float
) -> Iterator[tuple[int, Reply] | None]: ...
def answers(
    questions: Sequence[Question], concurrency: int = CONCURRENCY, *, wake_after: float | None = None
) -> Iterator[tuple[int, Reply] | None]:
    """Ask all questions and yield (index, reply) as they arrive; raises Unavailable when an engine is lost.

    Requests run in a thread of their own, so that what the caller does with a reply (a database write) does not
    lengthen the times that are being measured. With `wake_after` it yields None whenever nothing has arrived for so
    many seconds. Closing the iterator ends the requests.
    """
    arrived: queue.Queue[tuple[int, Reply] | BaseException | None] = queue.Queue()
    asker = _Asker(questions, concurrency, arrived)
    asker.start()
    try:
        while True:
            try:
                arrival = arrived.get(timeout=wake_after)
            except queue.Empty:
                yield None
                continue
            if isinstance(arrival, BaseException):
                raise arrival
            if arrival is None:
                return
            yield arrival
    finally:
        asker.cancel()
        asker.join()


class _Asker(threading.Thread):
    """Runs the requests in an event loop and puts what arrives into a queue, at last None or what went wrong."""

    def __init__(self, questions: Sequence[Question], concurrency: int, arrived: queue.Queue[Any]) -> None:
        super().__init__(daemon=True, name="asking vLLM")
        self.questions, self.concurrency, self.arrived = questions, concurrency, arrived
        self.loop = asyncio.new_event_loop()
        self.work: asyncio.Task[None] | None = None

    def run(self) -> None:
        self.work = self.loop.create_task(self.ask_all())
        end: BaseException | None = None
        try:
            self.loop.run_until_complete(self.work)
        except (Exception, asyncio.CancelledError) as error:
            end = error
        finally:
            self.loop.close()
            self.arrived.put(end)

    def cancel(self) -> None:
        with suppress(RuntimeError):  # the loop has closed: nothing is left to cancel
            self.loop.call_soon_threadsafe(lambda: self.work and self.work.cancel())

    async def ask_all(self) -> None:
        waiting = iter(enumerate(self.questions))
        async with httpx.AsyncClient(timeout=TIMEOUT, limits=httpx.Limits(max_connections=None)) as client:
            askers = [asyncio.create_task(self.ask_some(client, waiting)) for _ in range(self.concurrency)]
            try:
                await asyncio.gather(*askers)
            finally:
                for asker in askers:
                    asker.cancel()
                await asyncio.gather(*askers, return_exceptions=True)

    async def ask_some(self, client: httpx.AsyncClient, waiting: Iterator[tuple[int, Question]]) -> None:
        for index, question in waiting:
            self.arrived.put((index, await answer(client, question)))


# --- One answer -------------------------------------------------------------------------------------------------------


async def answer(client: httpx.AsyncClient, question: Question) -> Reply:
    """Ask until there is a reply, at most ATTEMPTS times; raises Unavailable when engine or policy is missing."""
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            await asyncio.sleep(FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.75, 1.25))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return replace(await _attempt(client, question), retries=attempt)
        except Refused as refusal:
            return _refusal(str(refusal), attempt)
        except (Failed, httpx.TransportError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
    if not await _is_healthy(client, question.url):
        raise EngineDown(question.url, reason)
    # The engine lives and yet fails on this one prompt: waiting for it would hold up everything else for ever.
    return _refusal(f"No answer in {ATTEMPTS} attempts: {reason}", ATTEMPTS - 1)


def _refusal(reason: str, retries: int) -> Reply:
    return Reply("", REFUSED, 0, 0.0, 0.0, retries, reason)


async def _attempt(client: httpx.AsyncClient, question: Question) -> Reply:
    body = {
        "model": question.served_name,
        "messages": list(question.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        **asdict(question.sampling),
    }
    started = time.perf_counter()
    async with client.stream("POST", f"{question.url}/v1/chat/completions", json=body) as response:
        if response.status_code != httpx.codes.OK:
            await response.aread()
            _raise_for(response, question)
        return await _read_stream(response, started)


async def _read_stream(response: httpx.Response, started: float) -> Reply:
    """Put the pieces of an answer together; raises Failed for a stream that breaks off."""
    pieces: list[str] = []
    finish_reason, tokens, first = "", 0, 0.0
    async for event in _events(response):
        if "error" in event:
            raise Failed(reason_in(event))
        if usage := event.get("usage"):
            tokens = usage["completion_tokens"]
        for choice in event["choices"]:
            if (piece := choice["delta"].get("content")) or choice["finish_reason"]:
                first = first or time.perf_counter() - started
                pieces.append(piece or "")
                finish_reason = choice["finish_reason"] or finish_reason
    if not finish_reason:
        raise Failed("the answer broke off")
    # PostgreSQL keeps no NUL characters, and a model may well write one.
    text = "".join(pieces).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return Reply(text, finish_reason, tokens, first, time.perf_counter() - started)


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The JSON objects of a stream of server-sent events."""
    async for line in response.aiter_lines():
        if line.startswith("data:") and (data := line[5:].strip()) != "[DONE]":
            yield json.loads(data)


def _raise_for(response: httpx.Response, question: Question) -> None:
    reason = _reason(response)
    if response.status_code == httpx.codes.NOT_FOUND:
        raise NotServed(question.served_name)
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or response.status_code in (408, 425, 429):
        raise Failed(reason)
    raise Refused(reason)


def reason_in(body: Any) -> str:
    """The sentence in vLLM's error body, on one line."""
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(message).split())[:500]


def _reason(response: httpx.Response) -> str:
    try:
        return reason_in(response.json())
    except ValueError:
        return reason_in(response.text) or f"HTTP {response.status_code}"


async def _is_healthy(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/health", timeout=10)).is_success
    except httpx.TransportError:
        return False


# --- The engine itself ------------------------------------------------------------------------------------------------


class Engine:
    """What the keeper asks an engine; every method raises EngineDown when it does not answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=httpx.Timeout(10.0, read=60.0))

    def version(self) -> str:
        return str(self._get("/version")["version"])

    def models(self) -> dict[str, int]:
        """Served name -> longest conversation in tokens (0 for adapters, which have their root's)."""
        return {model["id"]: model["max_model_len"] or 0 for model in self._get("/v1/models")["data"]}

    def is_healthy(self) -> bool:
        """Whether it would answer a question now; False while it starts and after it has died."""
        try:
            return self.client.get("/health", timeout=10).is_success
        except httpx.TransportError:
            return False

    def load(self, served_name: str, path: str) -> None:
        """Load an adapter folder under an immutable name; raises Refused with vLLM's reason."""
        try:
            response = self.client.post("/v1/load_lora_adapter", json={"lora_name": served_name, "lora_path": path})
        except httpx.TransportError as error:
            raise EngineDown(self.url, str(error) or type(error).__name__) from error
        if not response.is_success and served_name not in self.models():
            raise Refused(_reason(response))

    def try_out(self, served_name: str) -> Reply:
        """Let the policy say a few words, with one attempt; raises Refused, Failed or Unavailable."""
        question = Question(self.url, served_name, [{"role": "user", "content": "Hello"}], Sampling(0.0, 1.0, 4))
        with ThreadPoolExecutor(1) as pool:  # whoever calls may have an event loop running
            return pool.submit(asyncio.run, _ask_once(question)).result()

    def close(self) -> None:
        self.client.close()

    def _get(self, path: str) -> dict[str, Any]:
        try:
            response = self.client.get(path)
        except httpx.TransportError as error:
            raise EngineDown(self.url, str(error) or type(error).__name__) from error
        if not response.is_success:
            raise EngineDown(self.url, f"{path} answered {response.status_code}")
        return cast(dict[str, Any], response.json())


async def _ask_once(question: Question) -> Reply:
    async with httpx.AsyncClient(timeout=TRIAL_SECONDS) as client:
        try:
            return await _attempt(client, question)
        except httpx.TransportError as error:
            raise EngineDown(question.url, str(error) or type(error).__name__) from error
