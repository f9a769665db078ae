"""What counts as a word, for the index and for what people search: the same cut for both.

A word is a run of letters, digits and marks, in lower case and compatibility form (NFKC). Scripts that write without
spaces are cut into single characters, so that any part of a sentence is found as a phrase.
"""

from __future__ import annotations

import re
from unicodedata import normalize

import regex

# Stands between prompt, chosen and rejected, so that no phrase runs from one into the next: a private-use character.
BETWEEN = "\ue000"
# A longer run of letters counts as several words that follow each other.
LONGEST_WORD = 64
# Of a longer text only so much can be searched.
CHARACTERS_SEARCHED = 1_000_000

# Below U+0300 there are no marks and no scripts without spaces, and the quicker `re` knows all letters and digits.
_BEYOND_LATIN = re.compile("[^\x00-\u02ff]")
_LATIN_WORD = re.compile(rf"[^\W_]{{1,{LONGEST_WORD}}}")
_WORD = regex.compile(rf"[\p{{L}}\p{{N}}\p{{M}}]{{1,{LONGEST_WORD}}}")
_SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_QUOTED_OR_PLAIN = re.compile(r'"([^"]*)"?|([^\s"]+)')

Phrase = tuple[str, ...]
"""Words that follow each other; a single word is a phrase of one."""


def cut(text: str) -> list[str]:
    """The words of a text, in order."""
    plain = normalize("NFKC", text[:CHARACTERS_SEARCHED])
    if not _BEYOND_LATIN.search(plain):
        return _LATIN_WORD.findall(plain.lower())
    words: list[str] = _WORD.findall(_SPACELESS.sub(r" \g<0> ", plain).lower())
    return words


def phrases(query: str) -> list[Phrase]:
    """What a search asks for: every plain word, and every "quoted run" as one phrase. Nothing in it is syntax.

    A word that is cut into several (don't, 東京) is a phrase. Empty when there is not one letter or digit.
    """
    parts = (quoted or plain for quoted, plain in _QUOTED_OR_PLAIN.findall(query))
    found = (tuple(cut(part)) for part in parts)
    return list(dict.fromkeys(phrase for phrase in found if phrase))
