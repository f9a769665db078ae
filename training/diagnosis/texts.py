"""What answers look like, whatever they say: simple measures of style on plain text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

MARKUP = re.compile(
    r"^\s*(?:[-*•]|\d+[.)])\s+\S"  # an item of a list
    r"|^\s*#{1,6}\s+\S"  # a heading
    r"|^\s*\|.*\|"  # a row of a table
    r"|```|\*\*\S",  # code, bold
    re.MULTILINE,
)
OPENING_WORDS = 3


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, as white space separates them."""
    return text.lower().split()


def _ngrams(words: Sequence[str], n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(n)), strict=False)


def distinct(texts: Sequence[str], n: int = 2) -> float:
    """Different n-grams over all n-grams of the texts together (Li et al. 2016); 1 where there are none.

    It falls as texts grow longer, so compare it only between answers to the same prompts.
    """
    grams = [gram for text in texts for gram in _ngrams(words_of(text), n)]
    return len(set(grams)) / len(grams) if grams else 1.0


def repetition(text: str) -> float:
    """Share of a text's trigrams that occurred in it before; 0 where there are none."""
    grams = list(_ngrams(words_of(text), 3))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def has_markup(text: str) -> bool:
    """Whether a text holds a list, a heading, a table, bold type or code."""
    return bool(MARKUP.search(text))


def opening_share(texts: Sequence[str]) -> float:
    """Share of the texts that begin with the commonest opening of three words; 0 without texts."""
    if not texts:
        return 0.0
    openings = Counter(tuple(words_of(text)[:OPENING_WORDS]) for text in texts)
    return openings.most_common(1)[0][1] / len(texts)


def style_of(texts: Sequence[str]) -> dict[str, float]:
    """All measures of a non-empty list of answers, by the name of their metric."""
    return {
        "distinct_2": distinct(texts),
        "repetition": sum(map(repetition, texts)) / len(texts),
        "markup_share": sum(map(has_markup, texts)) / len(texts),
        "opening_share": opening_share(texts),
    }
