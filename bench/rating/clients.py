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
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, field

import httpx

from bench.rating.prepare import PASSWORD

TOKEN = re.compile(r'action="/rate/([\w-]+)/submit/"')
GUIDELINE = re.compile(r'action="(/rate/[\w-]+/guideline/)"')
CSRF = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
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
    """One person at work. With `script` the item that follows is fetched ahead, as the page's script does; else the
    forms are sent as a browser without script sends them."""

    client: httpx.AsyncClient
    name: str
    think: float
    script: bool
    chance: random.Random
    timings: list[Timing] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def work(self) -> None:
        """Log in and judge until nothing is left; what goes wrong is kept and ends the work."""
        try:
            page = await self.log_in()
            await (self.work_with_script(page) if self.script else self.work_without(page))
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
            read = {"csrfmiddlewaretoken": _found(CSRF, page), "number": "1"}
            page = (await self.client.post(guideline[1], data=read, follow_redirects=True)).text
        return page

    async def work_without(self, page: str) -> None:
        """Send a judgement, follow the redirect to the next item, read, and so on."""
        while TOKEN.search(page):
            await self.read()
            answer = await self.timed("submit", self.send(page))
            if answer.has_redirect_location:
                answer = await self.timed("next", self.client.get(answer.headers["Location"]))
            page = answer.text

    async def work_with_script(self, page: str) -> None:
        """Fetch the next item ahead; on judging show it at once and send the judgement, whose answer brings another."""
        ahead = await self.fetch_ahead(page) if TOKEN.search(page) else None
        while TOKEN.search(page):
            await self.read()
            showing = _found(TOKEN, ahead) if ahead else ""
            told = (await self.timed("submit", self.send(page, showing, Accept="application/json"))).json()
            if told.get("go"):
                page = (await self.timed("next", self.client.get(told["go"], follow_redirects=True))).text
            else:
                page = told.get("item") or ahead or ""
            ahead = told.get("ahead") or (await self.fetch_ahead(page) if TOKEN.search(page) else None)

    async def fetch_ahead(self, page: str) -> str | None:
        address = f"/rate/{_found(TOKEN, page)}/ahead/"
        headers = {"Accept": "application/json", "X-CSRFToken": self.client.cookies["csrftoken"]}
        ahead: str | None = (await self.timed("next", self.client.post(address, headers=headers))).json()["ahead"]
        return ahead

    async def read(self) -> None:
        await asyncio.sleep(self.chance.expovariate(1 / self.think))

    def send(self, page: str, showing: str = "", **headers: str) -> Awaitable[httpx.Response]:
        """The judgement of the item on this page."""
        form = {
            "csrfmiddlewaretoken": _found(CSRF, page),
            "revision": _found(REVISION, page),
            "choice": self.chance.choice(["a", "b", "a", "b", "tie"]),
            "showing": showing,
        }
        return self.client.post(f"/rate/{_found(TOKEN, page)}/submit/", data=form, headers=headers)

    async def timed(self, what: str, request: Awaitable[httpx.Response]) -> httpx.Response:
        began = time.perf_counter()
        answer = await request
        if answer.is_error:
            raise RuntimeError(f"{what} answered {answer.status_code}: {answer.text[:200]}")
        text = answer.text.replace('\\"', '"')
        seconds, shown = time.perf_counter() - began, TOKEN.search(text)
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
    # Every fifth person has no script.
    people = [Rater(client, f"rater{n}", think, n % 5 != 0, random.Random(n)) for n, client in enumerate(clients)]
    began = time.perf_counter()
    await asyncio.gather(*(person.work() for person in people))
    seconds = time.perf_counter() - began
    await asyncio.gather(*(client.aclose() for client in clients))
    timings = [asdict(timing) for person in people for timing in person.timings]
    return {"timings": timings, "errors": [e for person in people for e in person.errors], "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(rate(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))))
