"""Checks as people write them: a line of JSON is {"prompt", "better", "worse", "kind"?, "explanation"?}.

"prompt" is text or a list of {role, content}, as in suites; "kind" is gold (unless said otherwise), training or
attention; "explanation" is shown after a training item. A line that gives no check keeps its number and the reason.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from training.preferences.formats import parse_object, printable, refuse_foreign

from .models import ItemKind, Verdict
from .suites import MAX_LINE_BYTES, SHOWN_TEXT, Conversation, Rejected, conversation_of, numbered_lines

KINDS = {kind.value for kind in ItemKind} - {ItemKind.COMPARISON.value}
NAMES = {"prompt", "messages", "better", "worse", "kind", "explanation"}
LINE = '{"prompt": "…", "better": "…", "worse": "…", "kind": "gold", "explanation": "…"}'
MOST_CHECKS = 1_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A check that is not stored yet: two answers to a prompt, and what may rightly be said of them."""

    kind: ItemKind
    messages: Conversation
    first: str
    second: str
    accepts: tuple[Verdict, ...]
    explanation: str = ""


def read_drafts(source: BinaryIO, usable: Callable[[Draft], str]) -> tuple[list[Draft], list[Rejected]]:
    """Drafts of all lines, and the lines that give none; raises UnreadableFile for another kind of file.

    `usable` says in a sentence why a draft cannot be used where it is wanted, or nothing.
    """
    refuse_foreign(source.read(16))
    source.seek(0)
    drafts: list[Draft] = []
    rejected: list[Rejected] = []
    for number, line in numbered_lines(source):
        try:
            draft = parse_draft(line, number)
            if reason := usable(draft):
                raise ValueError(reason)
            if len(drafts) == MOST_CHECKS:
                raise ValueError(f"At most {MOST_CHECKS:,} checks are read at once.")
            drafts.append(draft)
        except ValueError as problem:
            rejected.append(Rejected(number, str(problem), printable(line[:SHOWN_TEXT])))
    return drafts, rejected


def lines_of(text: str) -> BinaryIO:
    """What a text field holds, to be read like a file."""
    return io.BytesIO(text.encode())


def parse_draft(line: bytes, number: int) -> Draft:
    """The check on a line, its better answer first; raises ValueError with a sentence."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"The line is longer than {MAX_LINE_BYTES // 1024} KiB.")
    row = parse_object(line)
    if unknown := sorted(set(row) - NAMES):
        raise ValueError(f"'{unknown[0][:40]}' is no part of a check; the parts are {', '.join(sorted(NAMES))}.")
    draft = Draft(
        _kind_of(row),
        conversation_of(row, number),
        _text(row, "better"),
        _text(row, "worse"),
        (Verdict.FIRST,),
        _explanation(row),
    )
    if any("\0" in text for text in _all_texts(draft)):
        raise ValueError("The row holds a NUL character, which no database keeps. Take it out.")
    return draft


def _kind_of(row: Mapping[str, Any]) -> ItemKind:
    kind = row.get("kind", ItemKind.GOLD.value)
    if kind not in KINDS:
        raise ValueError(f"'kind' must be gold, training or attention, found {printable(str(kind)[:40].encode())}.")
    return ItemKind(kind)


def _text(row: Mapping[str, Any], name: str) -> str:
    text = row.get(name)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"The row needs '{name}': the text of the {name} answer.")
    return text


def _explanation(row: Mapping[str, Any]) -> str:
    explanation = row.get("explanation") or ""
    if not isinstance(explanation, str):
        raise ValueError("'explanation' must be text.")
    return explanation


def _all_texts(draft: Draft) -> Iterator[str]:
    yield from (draft.first, draft.second, draft.explanation)
    yield from (message["content"] for message in draft.messages)
