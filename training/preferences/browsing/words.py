"""What counts as a word, for the index and for what people search: the same cut for both.

A word is a run of letters, digits and marks, in lower case and compatibility form (NFKC). Scripts that write without
spaces are cut into single characters, so that any part of a sentence is found as a phrase.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# Stands between prompt, chosen and rejected, so that no phrase runs from one into the next: a private-use character.
BETWEEN = "\ue000"
LONGEST_WORD = 64
# Of a longer text only so much can be searched.
CHARACTERS_SEARCHED = 1_000_000

_SPACELESS = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"
_NOT_A_WORD = rf"[^\p{{L}}\p{{N}}\p{{M}}{BETWEEN}]+"
_QUOTED_OR_PLAIN = re.compile(r'"([^"]*)"?|([^\s"]+)')

Phrase = tuple[str, ...]
"""Words that follow each other; a single word is a phrase of one."""


def cut(texts: pa.Array) -> pa.ListArray:
    """The words of every text, in order; there may be empty ones at either end."""
    import pyarrow.compute as pc

    plain = pc.utf8_slice_codeunits(texts, 0, CHARACTERS_SEARCHED)
    if not pc.all(pc.string_is_ascii(plain)).as_py():
        plain = pc.utf8_normalize(plain, "NFKC")
        plain = pc.replace_substring_regex(plain, _SPACELESS, r" \1 ")
    return pc.split_pattern_regex(pc.utf8_lower(plain), _NOT_A_WORD)


def spaced(texts: pa.Array) -> list[str]:
    """Every text as its words with a space between them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = cut(texts)
    words = pc.utf8_slice_codeunits(lists.values, 0, LONGEST_WORD)
    found: list[str] = pc.binary_join(pa.ListArray.from_arrays(lists.offsets, words), " ").to_pylist()
    return found


def phrases(query: str) -> list[Phrase]:
    """What a search asks for: every plain word, and every "quoted run" as one phrase. Nothing in it is syntax.

    A word that is cut into several (don't, 東京) is a phrase. Empty when there is not one letter or digit.
    """
    import pyarrow as pa

    parts = [quoted or plain for quoted, plain in _QUOTED_OR_PLAIN.findall(query.replace(BETWEEN, " "))]
    found = [
        tuple(word[:LONGEST_WORD] for word in words if word) for words in cut(pa.array(parts, pa.string())).to_pylist()
    ]
    return list(dict.fromkeys(phrase for phrase in found if phrase))
