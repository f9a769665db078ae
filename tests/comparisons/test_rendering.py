"""Markdown of models and people: readable, and unable to do anything."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import given, settings
from hypothesis import strategies as st

from comparisons import rendering
from comparisons.rendering import formatted

ALLOWED = {
    "a": {"href", "target", "rel"},
    "ol": {"start"},
    "div": {"tabindex"},
    "pre": {"tabindex", "dir"},
    **{tag: {"dir"} for tag in ("p", "li", "td", "th", "h3", "h4", "h5", "h6")},
}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<form action=/logout/ method=post><button>1</button></form>",
    '<input name="choice" value="a" autofocus onfocus=alert(1)>',
    '<a id="rating-form" href="javascript:alert(1)">x</a>',
    "<style>#answer-b{display:none}</style>",
    '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    "<base href=https://evil.example><iframe srcdoc='<script>alert(1)</script>'>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox)",
    '[x](https://a.example/"onmouseover="alert(1))',
    "[x](https://a.example \"' onmouseover=alert(1) x='\")",
    "[x](//evil.example)",
    "[x](/logout/)",
    "![x](https://evil.example/pixel.png)",
    '![x](x "onerror=alert(1)")',
    "![x](javascript:alert(1))",
    "<javascript:alert(1)>",
    "<https://a.example/?q=<script>alert(1)</script>>",
    "```html onload=alert(1) class=x\n<script>alert(1)</script>\n```",
    '``` "><script>alert(1)</script>\nx\n```',
    "`<script>alert(1)</script>`",
    "| <script>alert(1)</script> |\n|-|\n| <img src=x onerror=alert(1)> |",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "</div></section></main><script>alert(1)</script>",
    "<!--><script>alert(1)</script-->",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "{{ 7|add:7 }} {% csrf_token %}",
    "x\x00<script>alert(1)</script>",
    "\u202e<script>alert(1)</script>",
    "[a]: javascript:alert(1)\n\n[a]",
    "<template><script>alert(1)</script></template><noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
]
SIGNS = [
    "# ",
    "- ",
    "1. ",
    "> ",
    "```",
    "`",
    "**",
    "_",
    "~~",
    "[",
    "](",
    ")",
    "![",
    "<",
    ">",
    "&",
    '"',
    "'",
    "|",
    "|-|",
]
MARKS = st.sampled_from([*SIGNS, "\n", "    "])
WORDS = st.sampled_from([">", "-", "1.", "*", "`", "#", "|", "|-|", "~~", "[", "]", "\n", "word", "other"])
MARKDOWN = st.lists(st.one_of(MARKS, st.sampled_from(HOSTILE), st.text(max_size=8)), max_size=40).map("".join)


def elements(text: str) -> list[Tag]:
    html = formatted(text)
    return [] if html is None else BeautifulSoup(html, "html.parser").find_all(True)


def assert_harmless(text: str) -> None:
    for element in elements(text):
        assert element.name in rendering.TAGS
        assert set(element.attrs) <= ALLOWED.get(element.name, set()), element
        if element.name == "a" and element.has_attr("href"):
            assert urlsplit(str(element["href"])).scheme.lower() in {"http", "https"}
            assert element["rel"] == ["noopener", "noreferrer", "nofollow"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_words(text: str):
    assert_harmless(text)
    assert not re.search(r"<(script|img|form|input|style|svg|iframe|base|meta)", formatted(text) or "", re.IGNORECASE)


@given(MARKDOWN)
@settings(deadline=None)
def test_no_markdown_makes_an_element_or_an_attribute_beyond_the_list(text: str):
    assert_harmless(text)


@given(MARKDOWN)
@settings(deadline=None)
def test_every_element_that_is_opened_is_closed(text: str):
    """What is left open would swallow the rest of the page."""
    html = formatted(text) or ""
    opened = re.findall(r"<([a-z0-9]+)[ >]", html)
    closed = re.findall(r"</([a-z0-9]+)>", html)
    assert sorted(name for name in opened if name not in {"br", "hr"}) == sorted(closed)


@given(st.lists(WORDS, max_size=60).map(" ".join))
@settings(deadline=None)
def test_formatting_loses_no_word(text: str):
    """A language after a fence is the only word that may go; there is no fence in these texts."""
    html = formatted(text)
    if html is not None:
        shown = BeautifulSoup(html, "html.parser").get_text(" ")
        assert [len(re.findall(word, shown)) for word in ("word", "other")] == [text.count("word"), text.count("other")]


@pytest.mark.parametrize(
    "markdown, html",
    [
        ("**a** _b_ ~~c~~ `d`", "<p><strong>a</strong> <em>b</em> <s>c</s> <code>d</code></p>"),
        ("a\nb", "<p>a<br>\nb</p>"),
        ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>'),
        ("```python\nx < 1\n```", "<pre><code>x &lt; 1\n</code></pre>"),
        ("> a", "<blockquote>\n<p>a</p>\n</blockquote>"),
    ],
)
def test_markdown_is_shown_as_it_is_meant(markdown: str, html: str):
    """Every block also says `dir="auto"`, and a block of code can be reached by keyboard."""
    bare = re.sub(r' (dir="auto"|tabindex="0")', "", formatted(markdown) or "")
    assert bare.strip() == html


def test_a_table_scrolls_in_a_box_that_can_be_reached_by_keyboard():
    box = elements("| a |\n|:-:|\n| 1 |")[0]
    assert (box.name, box["tabindex"], box.table.th.text, box.table.td.text) == ("div", "0", "a", "1")


def test_headings_stand_below_those_of_the_page_and_leave_out_no_level():
    """h4 first, then h1, h2, h6: the first is h3; ranks 1, 2, 3, 4 give h3, h4, and h6 follows h4 as h5."""
    names = [element.name for element in elements("#### a\n# b\n## c\n###### d")]
    assert names == ["h3", "h3", "h4", "h5"]


def test_a_link_opens_apart_tells_nobody_where_from_and_says_where_it_leads():
    page = BeautifulSoup(formatted("[my bank](https://bank.example@evil.example/x)") or "", "html.parser")
    assert page.get_text().strip() == "my bank (evil.example)"
    assert page.a.attrs == {
        "href": "https://bank.example@evil.example/x",
        "rel": ["noopener", "noreferrer", "nofollow"],
        "target": "_blank",
    }


@pytest.mark.parametrize("address", ["/logout/", "mailto:a@b.example", "#x", "ftp://a.example"])
def test_what_is_no_address_of_the_web_is_no_link(address: str):
    page = BeautifulSoup(formatted(f"[here]({address})") or "", "html.parser")
    assert page.a is None
    assert page.get_text().strip() == f"here ({address})"


def test_an_image_is_its_words_and_nothing_is_loaded():
    page = BeautifulSoup(formatted("![a *map*](https://evil.example/pixel.png)") or "", "html.parser")
    assert page.img is None
    assert page.get_text().strip() == "a *map* (https://evil.example/pixel.png)"


def test_a_list_of_sources_stays_on_the_page():
    assert "[1]: https://a.example" in (formatted("True [1].\n\n[1]: https://a.example") or "")


@pytest.mark.parametrize(
    "text",
    [
        "x" * 40_001,
        "> " * 60 + "deep",
        "".join("  " * depth + "- a\n" for depth in range(50)),
        "|" * 300,
        "|a|\n|-|\n|b|c|",
        "[" * 20_000,
    ],
    ids=["long", "quotes", "lists", "columns", "cells", "brackets"],
)
def test_what_takes_long_or_would_lose_text_is_not_formatted(text: str):
    assert formatted(text) is None


def test_the_store_of_formatted_texts_stays_within_its_size(monkeypatch: pytest.MonkeyPatch):
    """Each text becomes about 1,000 characters: of a hundred, fewer than ten fit into 10,000 bytes."""
    store = rendering._Cache(10_000)
    for number in range(100):
        store.get(f"{number} " + "a" * 950)
    assert 5 < len(store.kept) < 10
    assert store.size <= 10_000
    assert store.get("99 " + "a" * 950) is store.get("99 " + "a" * 950)
