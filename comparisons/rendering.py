"""Markdown of models and people as HTML that can do nothing: one way for prompts and for both answers.

What is written is hostile. Markdown becomes HTML with HTML itself switched off, nothing is ever loaded, and the last
step is a sanitiser that knows a short list of elements and writes every attribute but two itself. What would take long,
or lose text on the way, is not formatted at all; the caller then shows it as it was written.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from urllib.parse import urlsplit

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

MOST_CHARACTERS = 40_000
MOST_STEPS = 100_000  # of looking for the ends of links, which can take time that grows with the square of the length
MOST_COLUMNS = 100
MOST_HTML = 2_000_000  # characters; a table may grow a hundredfold
NESTING = 40
CACHE_BYTES = 8_000_000

FIRST_HEADING = 3  # "Answer A" is an h2
BLOCKS = ("p", "li", "td", "th", "pre", "h3", "h4", "h5", "h6")
SCROLLING = ("pre", "div")  # div: only around tables
INLINE = ("strong", "em", "s", "code", "a", "br")
TAGS = {*BLOCKS, *SCROLLING, *INLINE, "ul", "ol", "blockquote", "hr", "table", "thead", "tbody", "tr"}
_WEB = re.compile(r"https?://", re.IGNORECASE)

_clean = nh3.Cleaner(
    tags=TAGS,
    clean_content_tags=set(),
    attributes={"*": set(), "a": {"href"}, "ol": {"start"}},
    url_schemes={"http", "https"},
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={
        **{tag: {"dir": "auto"} for tag in BLOCKS},
        "pre": {"dir": "auto", "tabindex": "0"},
        "div": {"tabindex": "0"},
        "a": {"target": "_blank"},
    },
)


class _TooLong(Exception):
    """Formatting would take long, or leave something out."""


class _BoundedInline(ParserInline):
    """The usual parser, which gives up instead of looking for the ends of links for ever."""

    def skipToken(self, state: StateInline) -> None:
        state.env["steps"] = state.env.get("steps", 0) + 1
        if state.env["steps"] > MOST_STEPS:
            raise _TooLong
        super().skipToken(state)


def _parser() -> MarkdownIt:
    """CommonMark with tables and strikethrough; a line's end is a line's end, as in every chat."""
    parser = MarkdownIt()
    parser.inline = _BoundedInline()
    parser.configure("commonmark", {"html": False, "breaks": True, "maxNesting": NESTING})
    # Definitions of references vanish from the page: as lists of sources they are what a rater wants to see.
    parser.enable(["table", "strikethrough"]).disable(["reference", "html_block", "html_inline"])
    parser.core.ruler.push("headings", _lower_headings)
    parser.core.ruler.push("addresses", _show_addresses)
    parser.add_render_rule("table_open", lambda *_: "<div><table>")
    parser.add_render_rule("table_close", lambda *_: "</table></div>")
    # The language of a block is for highlighters, and there is none.
    parser.add_render_rule("fence", lambda self, *given: self.code_block(*given))
    return parser


def _lower_headings(state: StateCore) -> None:
    """Headings under those of the page: from h3 on, none a step deeper than the one before allows."""
    opening = [token for token in state.tokens if token.type == "heading_open"]
    ranks = {tag: rank for rank, tag in enumerate(sorted({token.tag for token in opening}))}
    level = FIRST_HEADING - 1
    for token in state.tokens:
        if token.type == "heading_open":
            level = min(FIRST_HEADING + ranks[token.tag], level + 1, 6)
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{level}"


def _show_addresses(state: StateCore) -> None:
    """Images become their words; links say where they lead, and those that lead nowhere on the web are only words."""
    for token in state.tokens:
        if token.children:
            token.children = _with_addresses(token.children)


def _with_addresses(tokens: list[Token]) -> list[Token]:
    shown: list[Token] = []
    said, address = "", ""
    for token in tokens:
        if token.type == "image":
            source = str(token.attrGet("src") or "")
            token = _words(f"{token.content or 'image'} ({source})", token.level)
        said += token.content
        if token.type == "link_open":
            said, address = "", str(token.attrGet("href") or "")
            if not _WEB.match(address):
                continue
        if token.type != "link_close":
            shown.append(token)
            continue
        if _WEB.match(address):
            shown.append(token)
        if said != address:
            shown.append(_words(f" ({_place(address)})", token.level))
    return shown


def _place(address: str) -> str:
    """What a reader should know of where a link leads: the host, or all of what is no address of the web."""
    if not _WEB.match(address):
        return address
    try:
        return urlsplit(address).hostname or address
    except ValueError:
        return address


def _words(text: str, level: int) -> Token:
    return Token("text", "", 0, content=text, level=level)


_markdown = _parser()


class _Cache:
    """HTML by the digest of its text, as much as fits; what was not asked for longest goes first."""

    def __init__(self, most: int) -> None:
        self.most, self.size = most, 0
        self.kept: OrderedDict[bytes, SafeString | None] = OrderedDict()
        self.lock = Lock()

    def get(self, text: str) -> SafeString | None:
        key = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return self.kept[key]
        html = _format(text)
        with self.lock:
            if key not in self.kept:
                self.kept[key] = html
                self.size += sys.getsizeof(html)
            while self.size > self.most:
                self.size -= sys.getsizeof(self.kept.popitem(last=False)[1])
        return html


_cache = _Cache(CACHE_BYTES)


def formatted(text: str) -> SafeString | None:
    """The text as HTML; None when it is too long or too deeply nested to be formatted."""
    return _cache.get(text) if len(text) <= MOST_CHARACTERS else None


def _format(text: str) -> SafeString | None:
    if any(line.count("|") > MOST_COLUMNS for line in text.splitlines()):
        return None
    env: dict[str, int] = {}
    try:
        tokens = _markdown.parse(text, env)
    except _TooLong:
        return None
    if not _holds_all(tokens, text):
        return None
    html = _markdown.renderer.render(tokens, _markdown.options, env)
    return mark_safe(_clean.clean(html)) if len(html) <= MOST_HTML else None


def _holds_all(tokens: Sequence[Token], text: str) -> bool:
    """Whether every letter and digit is in some block: the parser drops what is nested deeply, and surplus cells."""
    held = sum(_letters(token.content) + _letters(token.info) for token in tokens)
    return held == _letters(text)


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as pages show it: formatted where that can be done, and always as it was written."""

    plain: str
    formatted: SafeString | None


def shown_alike(*texts: str) -> list[Shown]:
    """All of the texts formatted, or none of them: formatting must not tell one from the other."""
    html = [formatted(text) for text in texts]
    every = None not in html
    return [Shown(text, one if every else None) for text, one in zip(texts, html, strict=True)]
