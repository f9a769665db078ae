"""Nothing that reaches an annotator tells which policy wrote what.

A world is built in which everything that could identify a policy carries a canary: names, slugs, digests, adapter
names, ids, measurements. Then an annotator goes everywhere a browser can go, by links, forms and guesses, and all
bytes, headers, cookies and addresses that come back are searched.
"""

from __future__ import annotations

import re
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit

import pytest
from bs4 import BeautifulSoup
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from comparisons import assignment as assigning
from comparisons.models import Answer, Assignment, Contender, ExpectedJudgement, Item, ItemKind, Rating, StudyState
from tests.comparisons.rating_factories import (
    make_answer,
    make_prompt,
    make_rater,
    make_study,
    read_guidelines,
    rewrite,
    take,
)
from tests.factories import make_policy, make_user, make_version
from training.models import Dataset, PolicyKind, Run

pytestmark = pytest.mark.django_db

CANARY = "kanarie"
RUN_ID = uuid.UUID("aaaabbbb-cccc-4ddd-8eee-ffff00001111")
IDS = {"policy": 9170001, "tuned": 9170002, "study": 9170003, "item": 9170100, "answer": 9170500, "contender": 9170900}
MEASURED = {
    "tokens": 765432,
    "first_token_seconds": 0.918273,
    "total_seconds": 81.726354,
    "seed": 66778899,
    "finish_reason": f"{CANARY}-finish",
    "engine_version": f"{CANARY}-engine",
    "retries": 554433,
}
SECRETS = [
    CANARY,
    str(RUN_ID),
    RUN_ID.hex,
    "c0ffee" * 4,
    "facade" * 4,
    *map(str, IDS.values()),
    *(str(IDS["item"] + n) for n in range(1, 6)),
    *(str(IDS["answer"] + n) for n in range(1, 11)),
    *(str(value) for value in MEASURED.values()),
]
# What an annotator may open; everything else must refuse.
OPEN_TO_ANNOTATORS = {"home", "login", "logout", "health", "rate", "rate-item", "rate-submit", "rate-skip", "rate-undo"}
OPEN_TO_ANNOTATORS |= {"rate-judged", "rate-ahead", "rate-guideline", "rate-break", "rate-feedback"}
OPEN_TO_ANNOTATORS |= {"collection-write", "attempt-begin", "attempt"}  # where they write prompts
OPEN_TO_ANNOTATORS |= {"welcome"}  # the link of an invitation, which works without a log-in
OPEN_TO_ANNOTATORS |= {"password"}  # where everybody changes their own


@pytest.fixture
def world():
    """An open study of two canary policies, with five items; returns it."""
    launcher = make_user(f"{CANARY}-launcher")
    dataset = Dataset.objects.create(slug=f"{CANARY}-data", name=f"{CANARY} data")
    digest = "c0ffee" * 10 + "c0ff"
    base = make_policy(pk=IDS["policy"], name=f"{CANARY}-base", digest=digest, served_name=f"{CANARY}-base")
    Run.objects.create(
        id=RUN_ID,
        name=f"{CANARY}-run",
        method="dpo",
        config={},
        base=base,
        created_by=launcher,
        dataset_version=make_version(dataset),
    )
    tuned = make_policy(
        PolicyKind.ADAPTER,
        base,
        pk=IDS["tuned"],
        run_id=RUN_ID,
        method="dpo",
        name=f"{CANARY}-dpo",
        digest="facade" * 10 + "faca",
        served_name=f"dpo-{CANARY}-0042-facadefa",
    )
    study = make_study(items=0, pk=IDS["study"], slug=f"{CANARY}-study", name=f"{CANARY}: dpo against base")
    study.contenders.all().delete()
    contenders = [
        Contender.objects.create(pk=IDS["contender"] + n, study=study, policy=policy)
        for n, policy in enumerate([base, tuned])
    ]
    for position in range(5):
        prompt = make_prompt(study.suites.get(), position, f"How far is island {position}?")
        first, second = (
            make_answer(contender, prompt, f"text {side}{position}", pk=IDS["answer"] + 2 * position + n, **MEASURED)
            for n, (contender, side) in enumerate(zip(contenders, "xy", strict=True))
        )
        Item.objects.create(
            pk=IDS["item"] + position, study=study, prompt=prompt, first=first, second=second, position=position
        )
    study.suites.update(slug=f"{CANARY}-suite", name=f"{CANARY} suite")
    return study


@pytest.fixture
def annotator(world):
    """A client of alice, who has read the guidelines; it shows error pages as a browser would see them."""
    client = Client(raise_request_exception=False)
    alice = make_rater("alice")
    read_guidelines(alice)
    client.force_login(alice)
    return client


def traces_of(response: Any, sent: str) -> str:
    """Everything of a response that reaches the browser, without the echo of the address that was asked for."""
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
    cookies = "\n".join(f"{cookie.key}={cookie.value} {readable(cookie.value)}" for cookie in response.cookies.values())
    body = response.getvalue().decode(errors="replace")
    whole = "\n".join([headers, unquote(headers), cookies, body])
    for echo in sorted({sent, unquote(sent), urlsplit(sent).path, quote(sent, safe="")}, key=len, reverse=True):
        whole = whole.replace(echo, "") if len(echo) > 1 else whole
    return whole.casefold()


def readable(cookie: str) -> str:
    """What a messages cookie holds; other cookies are random."""
    return str(CookieStorage(HttpRequest())._decode(cookie) or "")  # type: ignore[attr-defined]


def leaks(response: Any, sent: str) -> list[str]:
    found = traces_of(response, sent)
    return [secret for secret in SECRETS if secret.casefold() in found]


@dataclass
class Crawl:
    """Follows every link and sends every form, each way that its buttons offer, until nothing new comes."""

    client: Client
    waiting: deque[tuple[str, str, tuple[tuple[str, str], ...]]] = field(default_factory=deque)
    seen: set[tuple[str, str, tuple[tuple[str, str], ...]]] = field(default_factory=set)
    visited: list[tuple[str, int]] = field(default_factory=list)
    leaked: dict[str, list[str]] = field(default_factory=dict)

    def run(self, *starts: str) -> None:
        for start in starts:
            self.add("GET", start)
        while self.waiting and len(self.visited) < 400:
            method, url, sent = self.waiting.popleft()
            send = self.client.post if method == "POST" else self.client.get
            self.look(send(url, dict(sent)), url)

    def add(self, method: str, url: str, sent: tuple[tuple[str, str], ...] = ()) -> None:
        url = urldefrag(url).url
        known = (method, url, sent)
        if known not in self.seen and url.startswith("/") and not url.startswith(("/static/", "/logout/")):
            self.seen.add(known)
            self.waiting.append(known)

    def look(self, response: Any, url: str) -> None:
        self.visited.append((url, response.status_code))
        if found := leaks(response, url):
            self.leaked[url] = found
        if "Location" in response.headers:
            self.add("GET", urljoin(url, response["Location"]))
        if response["Content-Type"].startswith("text/html"):
            self.read(BeautifulSoup(response.getvalue(), "html.parser"), url)

    def read(self, page: BeautifulSoup, url: str) -> None:
        for link in page.select("a[href]"):
            self.add("GET", urljoin(url, str(link["href"])))
        for form in page.select("form"):
            if form.get("method") == "dialog":
                continue
            self.read_form(form, url)

    def read_form(self, form, url: str) -> None:
        method, action = form.get("method", "get").upper(), urljoin(url, form.get("action") or url)
        fixed = [(box["name"], box.get("value", "")) for box in form.select("input[name]")]
        fixed = [(name, value) for name, value in fixed if name != "csrfmiddlewaretoken"]
        for button in form.select("button") or [None]:
            chosen = [(button["name"], button["value"])] if button is not None and button.get("name") else []
            self.add(method, action, tuple(fixed + chosen))


def test_no_page_that_links_and_forms_lead_to_tells_anything(world, annotator):
    crawl = Crawl(annotator)
    crawl.run("/rate/", "/", "/login/", "/health/", "/admin/")
    crawl.run("/rate/judged/")
    pages = {url for url, status in crawl.visited if url.startswith("/rate/") and url.count("/") == 3 and status == 200}
    assert crawl.leaked == {}
    assert any(("view", "differences") in sent for _, _, sent in crawl.seen)
    items = pages - {"/rate/judged/"}
    assert len(items) == 5, "the crawl should have judged its way through all five items"
    assert len(crawl.visited) < 400


def test_the_search_finds_a_leak_where_there_is_one(world, annotator):
    """The guideline is shown to raters; a policy's name in it must be caught, or the tests above prove nothing."""
    world.guidelines.create(number=2, text=f"Compare with {CANARY}-DPO.")
    crawl = Crawl(annotator)
    crawl.run("/rate/")
    assert crawl.leaked["/rate/"] == [CANARY]


def routes(patterns=None, prefix="") -> list[tuple[str, str | None]]:
    """Every address of the application outside Django's admin, filled with canaries, and its name."""
    fillings = {"slug": f"{CANARY}-study", "str": f"{CANARY}-study", "uuid": str(RUN_ID), "int": str(IDS["policy"])}
    found = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver) and not route.startswith("admin/"):
            found += routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and "<" in route:
            for name, converter in pattern.pattern.converters.items():
                kind = type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")
                route = route.replace(f"<{kind}:{name}>", fillings.get(kind, "1")).replace(f"<{name}>", fillings["str"])
            found.append((f"/{route}", pattern.name))
        elif isinstance(pattern, URLPattern):
            found.append((f"/{route}", pattern.name))
    return found


@pytest.mark.parametrize("state", [StudyState.OPEN, StudyState.CLOSED])
def test_guessed_addresses_of_researchers_are_refused_and_tell_nothing(world, annotator, state):
    type(world).objects.update(state=state)
    for url, name in routes():
        if name == "logout":
            continue
        assert "<" not in url, f"the test cannot fill {url}"
        for method in (annotator.get, annotator.post, annotator.head, annotator.delete):
            response = method(url)
            assert leaks(response, url) == [], url
            if name not in OPEN_TO_ANNOTATORS:
                assert response.status_code in {403, 404, 405}, f"{url} answered {response.status_code}"


def test_the_admin_is_closed_and_tells_nothing(world, annotator):
    for url in ("/admin/", "/admin/training/policy/", f"/admin/comparisons/study/{IDS['study']}/change/"):
        response = annotator.get(url)
        assert response.status_code == 403
        assert leaks(response, url) == []


def test_every_kind_of_error_tells_nothing(world, annotator, monkeypatch):
    carols = take(make_rater("carol"))
    mine = annotator.post("/rate/").url
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    strict.cookies = annotator.cookies
    answers = [
        annotator.get("/nothing/here/"),
        annotator.get("/rate/forged-token-00000000/"),
        *(annotator.get(f"/rate/forged-token-00000000/{page}/") for page in ("guideline", "break", "feedback")),
        annotator.post("/rate/forged-token-00000000/ahead/"),
        annotator.get(f"{mine}ahead/"),
        annotator.get(f"{mine}feedback/"),
        annotator.get(f"/rate/{carols.token}/"),
        annotator.post(f"{mine}submit/", {"choice": "z", "revision": "none"}),
        annotator.post(f"{mine}submit/", {"choice": "a", "revision": 99}),
        annotator.get(f"{mine}submit/"),
        annotator.get(f"{mine}undo/"),
        annotator.post(f"{mine}skip/", {}),
        annotator.post(f"{mine}undo/", {"revision": 1}),
        strict.post(f"{mine}submit/", {"choice": "a", "revision": 1}),
    ]

    def fail(*_):
        raise RuntimeError(f"{CANARY} {IDS['policy']} failed")

    monkeypatch.setattr(assigning, "progress", fail)
    answers.append(annotator.get(mine))
    assert [answer.status_code for answer in answers] == (
        [404, 404, *([404] * 4), 405, 404, 404, 422, 422, 302, 302, 422, 302, 403, 500]
    )
    assert [leaks(answer, "") for answer in answers] == [[]] * len(answers)


AS_SCRIPT = {"accept": "application/json"}


def test_what_the_pages_script_gets_tells_nothing(world, annotator):
    """The item that is fetched ahead, the reply to a judgement with the one after it, refusals, the last reply."""
    mine = annotator.post("/rate/").url
    ahead = annotator.post(f"{mine}ahead/", headers=AS_SCRIPT)
    next_token = BeautifulSoup(ahead.json()["ahead"], "html.parser").select("main")[0]["data-item"]
    sent = {"choice": "a", "revision": 1, "showing": next_token}
    answers = [
        ahead,
        annotator.post(f"{mine}submit/", {"choice": "c", "revision": 1}, headers=AS_SCRIPT),
        annotator.post(f"{mine}submit/", {"choice": "a", "revision": 7}, headers=AS_SCRIPT),
        annotator.post(f"{mine}submit/", sent, headers=AS_SCRIPT),
        annotator.post(f"{mine}submit/", sent | {"choice": "b"}, headers=AS_SCRIPT),
        annotator.post(f"/rate/{next_token}/submit/", {"choice": "a", "revision": 1}, headers=AS_SCRIPT),
    ]
    type(world).objects.update(state=StudyState.CLOSED)
    answers.append(annotator.post(f"{mine}submit/", sent, headers=AS_SCRIPT))
    assert [answer.status_code for answer in answers] == [200, 422, 422, 200, 200, 200, 200]
    assert answers[3].json()["ahead"]
    assert answers[5].json()["item"]
    assert answers[6].json()["go"] == "/rate/"
    assert [leaks(answer, mine) for answer in answers] == [[]] * 7


def test_guidelines_training_and_breaks_tell_nothing(world, annotator):
    world.guidelines.create(number=2, text="Prefer what is right.")
    world.items.filter(position=0).update(kind=ItemKind.TRAINING)
    ExpectedJudgement.objects.create(item=world.items.get(position=0), accepts=["first"], explanation="It is *right*.")
    world.design |= {"sitting_minutes": 1}
    world.save()
    mine = annotator.post("/rate/").url
    pages = [annotator.get(f"{mine}guideline/"), annotator.post(f"{mine}guideline/", {"number": 2})]
    pages += [annotator.get(mine), annotator.post(f"{mine}submit/", {"choice": "a", "revision": 1})]
    pages.append(annotator.get(f"{mine}feedback/"))
    rewrite(Rating.objects.all(), seconds=100)
    following = annotator.post("/rate/").url
    pages += [annotator.get(following), annotator.get(f"{following}break/"), annotator.get("/rate/")]
    assert [page.status_code for page in pages] == [200, 302, 200, 302, 200, 302, 200, 200]
    assert [leaks(page, mine) for page in pages] == [[]] * 8


def test_a_check_looks_like_a_comparison_to_the_byte(world, annotator):
    url = annotator.post("/rate/").url
    before = annotator.get(url).content
    for kind in (ItemKind.GOLD, ItemKind.ATTENTION):
        world.items.filter(position=0).update(kind=kind)
        assert same_but_for_tokens(annotator.get(url).content) == same_but_for_tokens(before)


def same_but_for_tokens(page: bytes) -> str:
    """Without the CSRF token, which is another on every page, and the total, of which checks are no part."""
    return re.sub(r'csrfmiddlewaretoken" value="\w+"|X-CSRFToken": "\w+"|of [45]\b|max="[45]"', "", page.decode())


def test_late_judgements_and_closed_studies_tell_nothing(world, annotator):
    mine = annotator.post("/rate/").url
    Assignment.objects.update(lease_until=timezone.now() - timedelta(hours=1))
    assigning.expire_leases()
    assigning.next_assignment(make_rater())
    late = annotator.post(f"{mine}submit/", {"choice": "a", "revision": 1})
    type(world).objects.update(state=StudyState.CLOSED)
    for response in (late, annotator.get(mine), annotator.get(mine, follow=True), annotator.get("/rate/")):
        assert leaks(response, mine) == []


def test_tokens_are_random_and_say_nothing_of_their_item(world):
    tokens = [take(make_rater()).token for _ in range(3)]
    assert len(set(tokens)) == 3
    assert all(len(token) >= 20 for token in tokens)


def test_a_page_is_as_long_with_the_sides_turned(world, annotator):
    """Answers of unlike length: turning the sides must change where texts stand and nothing else, to the byte."""
    rewrite(Answer.objects.filter(contender=world.contenders.last()), text="a much longer text " * 50)
    url = annotator.post("/rate/").url
    before = len(annotator.get(url).content)
    assignment = Assignment.objects.get()
    Assignment.objects.update(first_is_a=not assignment.first_is_a)
    assert len(annotator.get(url).content) == before


def test_a_reply_to_the_script_is_as_long_with_the_sides_turned(world, annotator):
    rewrite(Answer.objects.filter(contender=world.contenders.last()), text="a much longer text " * 50)
    url = annotator.post("/rate/").url
    lengths = set()
    for _ in range(2):
        lengths.add(len(annotator.post(f"{url}ahead/", headers=AS_SCRIPT).content))
        ahead = Assignment.objects.get(shown_at=None)
        Assignment.objects.filter(pk=ahead.pk).update(first_is_a=not ahead.first_is_a)
    assert len(lengths) == 1


def test_white_space_around_an_answer_is_no_mark_of_who_wrote_it(world, annotator):
    """A policy whose answers begin with a space or end in empty lines would soon be known by its indent."""
    rewrite(Answer.objects.filter(contender=world.contenders.last()), text="  \n Forty miles. \n\n")
    rewrite(Answer.objects.filter(contender=world.contenders.first()), text="Thirty miles.")
    page = BeautifulSoup(annotator.get(annotator.post("/rate/").url).content, "html.parser")
    texts = {page.find(id=f"answer-{side}").find_next("div", class_="plain").text for side in "ab"}
    assert texts == {"Forty miles.", "Thirty miles."}


def test_a_policy_stands_on_either_side_equally_often_for_every_rater():
    """Three raters, 20 items of one pair each: blocks of four hold two of each side, so exactly 10 of 20 per rater."""
    study = make_study(items=20, ratings_per_item=3)
    for rater in [make_rater() for _ in range(3)]:
        client = Client()
        client.force_login(rater)
        read_guidelines(rater)
        seen = [left_text(client) for _ in range(20)]
        assert sum(text.endswith("of 0") for text in seen) == 10
    assert not any(assigning.free_items(study, make_rater()))


def left_text(client: Client) -> str:
    """Start or go on, read the left answer, judge it a tie."""
    url = client.post(reverse("rate"))["Location"]
    text = (
        BeautifulSoup(client.get(url).content, "html.parser").find(id="answer-a").find_next("div", class_="plain").text
    )
    client.post(f"{url}submit/", {"choice": "tie", "revision": 1})
    return text
