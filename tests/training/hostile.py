"""Texts that nobody means well with, and what a page that shows them must still be."""

from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup

from tests.training.preferences.pairs import pair
from training.preferences.records import Message, Pair

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
OVERRIDE = "\N{RIGHT-TO-LEFT OVERRIDE}gnitirw desrever"
LONG_WORD = "unbroken" * 2_000
MEGABYTE = f"{SCRIPT} " + "A very long answer. " * 50_000
BLOCKS = {"title", "option", "li", "p", "pre", "div", "dd", "td", "th", "h1", "h2", "h3", "textarea"}
ISOLATES = {"a", "span", "strong", "ins", "del"}
"""By static/css/base.css."""
LARGEST_PAGE = 400_000
"""Bytes. Hostile or not, a page of ten rows is no larger."""


def hostile_pairs() -> list[Pair]:
    """64 rows: enough prompts for a map, repeats for a finding, and every kind of hostile text on each side."""
    plain = [pair(f"{SCRIPT} castle {n} moat", f"{OVERRIDE} {n}", f"{LONG_WORD} {n}", source=SCRIPT) for n in range(52)]
    turns = tuple(Message(role, f"{SCRIPT} {n}") for n in range(2_000) for role in ("user", "assistant"))
    answers = tuple(Message("assistant", f"{SCRIPT} {OVERRIDE} {n}") for n in range(2_000))
    return [
        *plain,
        *[pair(f"{OVERRIDE} repeated", MEGABYTE, LONG_WORD, annotator=OVERRIDE, tags=(SCRIPT, OVERRIDE))] * 4,
        pair(MEGABYTE, MEGABYTE, f"{MEGABYTE}!"),
        Pair((*turns, Message("user", LONG_WORD)), answers, answers[1:]),
        *[pair(f"{LONG_WORD} {n}", "\ufeff\u200b\u2028x", f"\x07\x1b[31m {SCRIPT}") for n in range(6)],
    ]


def assert_harmless(response: Any, largest: int = LARGEST_PAGE) -> None:
    """The page was shown, none of its text became markup, it is not huge, and no direction leaks out of a quotation."""
    assert response.status_code == 200
    page = response.content.decode()
    assert len(response.content) < largest, len(response.content)
    assert "\0" not in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    parsed = BeautifulSoup(page, "html.parser")
    assert not parsed.select("[onerror]")
    for text in parsed.find_all(string=lambda found: "\N{RIGHT-TO-LEFT OVERRIDE}" in found):
        assert _is_alone(text) or "\N{FIRST STRONG ISOLATE}" in text, text[:80]


def _is_alone(text: object) -> bool:
    """Whether an override stands in a block or an isolate of its own, which ends its reach."""
    holder = text.parent  # type: ignore[attr-defined]
    return holder.name in BLOCKS | ISOLATES or bool(holder.get("dir"))
