"""What an annotator's browser can learn: a crawl of everything it can reach, and a classifier of times and sizes.

The crawl follows every link, sends every form and guesses every address of the application, and searches bodies,
headers, cookies and addresses for names, ids and digests of policies. The classifier gets, for items that were shown,
how long they took and how large the response was, and is asked which of two policies stood on the left.
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import unquote, urldefrag, urljoin

import httpx
import numpy as np
from bs4 import BeautifulSoup, Tag

from bench.rating.clients import Timing
from bench.rating.prepare import PASSWORD
from bench.rating.stack import Web, web
from bench.report import Report
from comparisons.statistics.shares import Share, share

ITEMS, RATERS, THINK_SECONDS, MOST_PAGES = 600, 12, 0.3, 1_500
FOLDS = 5

Sent = tuple[tuple[str, str], ...]


def measure(report: Report) -> None:
    """Add the rows of the crawl and of the classifier."""
    with web("SQLite", RATING_MOST_PER_MINUTE="0") as running:
        running.run("-m", "bench.rating.prepare", "60", "2", "1")
        crawl = crawled(running)
        for address, found in list(crawl.leaked.items())[:5]:
            print(f"  {address}: {found}")
        report.add("blindness: answers read by the crawl", "", crawl.read, must="more than 200", ok=crawl.read > 200)
        report.add("blindness: answers that name a policy", "", len(crawl.leaked), must="0", ok=not crawl.leaked)
    with web("SQLite", RATING_MOST_PER_MINUTE="0") as running:
        running.run("-m", "bench.rating.prepare", str(ITEMS), "3", str(RATERS))
        told = json.loads(running.run("-m", "bench.rating.clients", running.address, str(RATERS), str(THINK_SECONDS)))
        sides = json.loads(running.run("-m", "bench.rating.prepare", "--sides"))
    accuracy = classified([Timing(**timing) for timing in told["timings"]], sides)
    told = f"its interval [{accuracy.low:.3f}, {accuracy.high:.3f}] of {accuracy.total} holds 0.5"
    blind = not accuracy.differs_from_half
    report.add("blindness: sides told apart by time and size", "", accuracy.value, must=told, ok=blind)


# --- The crawl --------------------------------------------------------------------------------------------------------


@dataclass
class Crawl:
    """An annotator's browser that goes everywhere; `read` counts answers, `leaked` is address -> what was found."""

    client: httpx.Client
    secrets: list[str]
    waiting: deque[tuple[str, str, Sent]] = field(default_factory=deque)
    seen: set[tuple[str, str, Sent]] = field(default_factory=set)
    leaked: dict[str, list[str]] = field(default_factory=dict)
    read: int = 0

    def run(self, addresses: list[str]) -> None:
        """Visit these and all that they lead to."""
        for address in addresses:
            for method in ("GET", "POST", "HEAD", "DELETE"):
                self.add(method, address)
        while self.waiting and self.read < MOST_PAGES:
            self.visit(*self.waiting.popleft())

    def add(self, method: str, address: str, sent: Sent = ()) -> None:
        known = (method, urldefrag(urljoin("/", address)).url, sent)
        if known not in self.seen and known[1].startswith("/") and not known[1].startswith(("/static/", "/logout/")):
            self.seen.add(known)
            self.waiting.append(known)

    def visit(self, method: str, address: str, sent: Sent) -> None:
        form = dict(sent) | {"csrfmiddlewaretoken": self.client.cookies.get("csrftoken", "")}
        answer = self.client.request(method, address, data=form if method == "POST" else None)
        self.read += 1
        if found := self.secrets_in(answer, address):
            self.leaked[f"{method} {address}"] = found
        if location := answer.headers.get("Location") or answer.headers.get("HX-Redirect"):
            self.add("GET", urljoin(address, location))
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            self.follow(BeautifulSoup(answer.text, "html.parser"), address)

    def secrets_in(self, answer: httpx.Response, address: str) -> list[str]:
        """Secrets in everything that came back, but for the echo of the address that was asked for."""
        headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
        whole = f"{headers}\n{unquote(headers)}\n{answer.text}"
        for echo in (address, unquote(address)):
            whole = whole.replace(echo, "") if len(echo) > 1 else whole
        return [secret for secret in self.secrets if secret.casefold() in whole.casefold()]

    def follow(self, page: BeautifulSoup, address: str) -> None:
        """Add what the page links to, fetches by script, or sends."""
        for name in ("href", "hx-get", "data-live-url", "data-next-url", "src"):
            for tag in page.select(f"[{name}]"):
                self.add("GET", urljoin(address, str(tag[name])))
        for form in page.select("form"):
            self.follow_form(form, address)

    def follow_form(self, form: Tag, address: str) -> None:
        method, action = str(form.get("method", "get")).upper(), urljoin(address, str(form.get("action") or address))
        boxes = [(str(box["name"]), str(box.get("value", ""))) for box in form.select("input[name]")]
        fixed = [(name, value) for name, value in boxes if name != "csrfmiddlewaretoken"]
        for button in form.select("button") or [form]:
            chosen = [(str(button["name"]), str(button["value"]))] if button.get("name") else []
            if method in {"GET", "POST"}:
                self.add(method, action, tuple(fixed + chosen))


def crawled(running: Web) -> Crawl:
    """A crawl by rater0 over the stack's pages and over every address that the application has."""
    told = json.loads(running.run("-m", "bench.rating.prepare", "--secrets"))
    with httpx.Client(base_url=running.address, timeout=30) as client:
        page = client.get("/login/").text
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)
        assert token
        form = {"csrfmiddlewaretoken": token[1], "username": "rater0", "password": PASSWORD}
        assert client.post("/login/", data=form).status_code == 302
        crawl = Crawl(client, told["secrets"])
        crawl.run(["/rate/", "/", *told["addresses"]])
        return crawl


# --- The classifier ---------------------------------------------------------------------------------------------------


def classified(timings: list[Timing], sides: dict[str, bool]) -> Share:
    """Share of shown items whose left policy cross-validated gradient boosting names rightly."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_predict

    shown = [timing for timing in timings if timing.token in sides]
    features = np.array([[timing.seconds, timing.bytes] for timing in shown])
    truth = np.array([sides[timing.token] for timing in shown])
    model = HistGradientBoostingClassifier(random_state=0)
    guessed = cross_val_predict(model, features, truth, cv=FOLDS)
    found = share(float((guessed == truth).sum()), len(truth))
    assert found is not None
    return found
