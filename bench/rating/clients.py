"""`python -m bench.rating.clients ADDRESS RATERS THINK_SECONDS`: raters as their browsers are, without pictures.

Prints {timings: [{what, seconds, bytes, side}], errors, seconds} as JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from dataclasses import asdict, dataclass, field

import httpx

from bench.rating.prepare import PASSWORD

TOKEN = re.compile(r'action="/rate/([\w-]+)/submit/"')
CSRF = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
GUIDELINE = re.compile(r'action="(/rate/[\w-]+/guideline/)"')
NUMBER = re.compile(r'name="number" value="(\d+)"')
REVISION = re.compile(r'name="revision" value="(\d+)"')


@dataclass(frozen=True)
class Timing:
    """One request: what it was for, how long it took, how large its answer was, and the item that came with it."""

    what: str
    seconds: float
    bytes: int
    token: str


@dataclass
class Rater:
    """One person at work."""

    client: httpx.AsyncClient
    name: str
    think: float
    chance: random.Random
    timings: list[Timing] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def work(self) -> None:
        """Log in and judge until nothing is left; what goes wrong is kept and ends the work."""
        try:
            page = await self.log_in()
            while token := TOKEN.search(page):
                await asyncio.sleep(self.chance.expovariate(1 / self.think))
                page = await self.judge(token[1], page)
        except Exception as error:
            self.errors.append(f"{self.name}: {error!r}")

    async def log_in(self) -> str:
        page = (await self.client.get("/login/")).text
        form = {"csrfmiddlewaretoken": _found(CSRF, page), "username": self.name, "password": PASSWORD}
        await self.client.post("/login/", data=form)
        page = (await self.client.get("/rate/")).text
        start = {"csrfmiddlewaretoken": _found(CSRF, page)}
        page = (await self.client.post("/rate/", data=start, follow_redirects=True)).text
        if guideline := GUIDELINE.search(page):
            read = {"csrfmiddlewaretoken": _found(CSRF, page), "number": _found(NUMBER, page)}
            page = (await self.client.post(guideline[1], data=read, follow_redirects=True)).text
        return page

    async def judge(self, token: str, page: str) -> str:
        """Send a judgement, then ask for the item that follows."""
        form = {
            "csrfmiddlewaretoken": _found(CSRF, page),
            "revision": _found(REVISION, page),
            "choice": self.chance.choice(["a", "b", "a", "b", "tie"]),
        }
        answer = await self.timed("submit", self.client.post(f"/rate/{token}/submit/", data=form))
        if answer.has_redirect_location:
            answer = await self.timed("next", self.client.get(answer.headers["Location"]))
        return answer.text

    async def timed(self, what: str, request: asyncio.Future[httpx.Response] | object) -> httpx.Response:
        began = time.perf_counter()
        answer: httpx.Response = await request  # type: ignore[misc]
        if answer.is_error:
            raise RuntimeError(f"{what} answered {answer.status_code}: {answer.text[:200]}")
        seconds, shown = time.perf_counter() - began, TOKEN.search(answer.text)
        self.timings.append(Timing(what, seconds, len(answer.content), shown[1] if shown else ""))
        return answer


def _found(pattern: re.Pattern[str], page: str) -> str:
    found = pattern.search(page)
    if found is None:
        raise RuntimeError(f"The page has no {pattern.pattern}: {page[:200]}")
    return found[1]


async def rate(address: str, raters: int, think: float) -> dict[str, object]:
    """All raters at work at once, each on connections of their own."""
    clients = [httpx.AsyncClient(base_url=address, timeout=30) for _ in range(raters)]
    people = [Rater(client, f"rater{n}", think, random.Random(n)) for n, client in enumerate(clients)]
    began = time.perf_counter()
    await asyncio.gather(*(person.work() for person in people))
    seconds = time.perf_counter() - began
    await asyncio.gather(*(client.aclose() for client in clients))
    timings = [asdict(timing) for person in people for timing in person.timings]
    return {"timings": timings, "errors": [e for person in people for e in person.errors], "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(rate(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))))
