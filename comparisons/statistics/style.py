"""What an answer looks like, whatever it says: its length and how it is marked up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from .votes import Floats

HEADER = re.compile(r" {0,3}#{1,6}[ \t]+\S")
LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
BOLD = re.compile(r"\*\*(?=[^\s*])[^*]+\*\*|__(?=[^\s_])[^_]+__")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Style:
    """Counts of an answer in Markdown; `length` in tokens where they are known, else in characters."""

    length: int
    headers: int
    bold: int
    list_items: int
    code_blocks: int


FEATURES = ("length", "headers", "bold", "list items", "code blocks")
"""The columns of every array of styles, in the order of Style."""
COUNTS = attrgetter("length", "headers", "bold", "list_items", "code_blocks")


def style_of(text: str, tokens: int | None = None) -> Style:
    """Count what an answer looks like. What stands in a fenced code block is code, and no header, list or bold.

    Reads every line once, with patterns that never backtrack far: a megabyte of asterisks takes no longer than prose.
    """
    headers = bold = items = blocks = 0
    fence = ""
    for line in text.splitlines():
        mark = FENCE.match(line)
        if fence:
            closes = mark and mark[1].startswith(fence) and not line[mark.end() :].strip()
            fence = "" if closes else fence
        elif mark:
            blocks, fence = blocks + 1, mark[1]
        else:
            headers += bool(HEADER.match(line))
            items += bool(LIST_ITEM.match(line))
            bold += len(BOLD.findall(line))
    return Style(len(text) if tokens is None else tokens, headers, bold, items, blocks)


def style_differences(left: list[Style], right: list[Style]) -> Floats:
    """(a - b) / (a + b) of each count, (n, F): -1 to 1, 0 where neither answer has any."""
    one, other = (
        np.array([COUNTS(style) for style in styles], dtype=float).reshape(-1, len(FEATURES))
        for styles in (left, right)
    )
    total = one + other
    shares: Floats = np.divide(one - other, total, out=np.zeros_like(total), where=total > 0)
    return shares
