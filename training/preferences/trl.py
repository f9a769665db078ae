"""Pairs in the forms TRL reads: standard (text) and conversational (lists of messages).

The standard form has no place for several turns or a system message, and `plain` refuses them: a
transcript glued together would train on text that no chat template makes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from training.preferences.records import Conversation, Pair

Form = Callable[[Pair], dict[str, Any]]


def lines(pairs: Iterable[Pair], form: Form) -> Iterator[str]:
    """JSON Lines of the pairs in one of the forms below, streamed."""
    for pair in pairs:
        yield json.dumps(form(pair), ensure_ascii=False) + "\n"


def plain(pair: Pair) -> dict[str, Any]:
    """{prompt, chosen, rejected} as text; for a demonstration {prompt, completion}."""
    return _row(pair, {"prompt": _text(pair.prompt), **_answers(pair, _text)})


def conversational(pair: Pair) -> dict[str, Any]:
    """{prompt, chosen, rejected} as lists of {role, content}; for a demonstration {prompt, completion}."""
    return _row(pair, {"prompt": _messages(pair.prompt), **_answers(pair, _messages)})


def is_single_turn(pair: Pair) -> bool:
    """Whether the standard form can hold the pair: one user message, one message per answer."""
    answers = [pair.chosen] if pair.rejected is None else [pair.chosen, pair.rejected]
    return len(pair.prompt) == 1 and all(len(answer) == 1 for answer in answers)


def _answers(pair: Pair, form: Callable[[Conversation], Any]) -> dict[str, Any]:
    if pair.rejected is None:
        return {"completion": form(pair.chosen)}
    return {"chosen": form(pair.chosen), "rejected": form(pair.rejected)}


def _row(pair: Pair, columns: dict[str, Any]) -> dict[str, Any]:
    """Numbers and facts only where they say something, then the source's other columns; ours win over theirs."""
    numbers = {"weight": (pair.weight, 1.0), "label": (pair.label, 1.0), "margin": (pair.margin, None)}
    known = {"annotator": (pair.annotator, ""), "source": (pair.source, ""), "position": (pair.position, 0)}
    known |= {"timestamp": (pair.at, ""), "tags": (list(pair.tags), [])}
    telling = {name: value for name, (value, usual) in {**numbers, **known}.items() if value != usual}
    return columns | telling | {name: value for name, value in pair.extra.items() if name not in columns}


def _text(conversation: Conversation) -> str:
    if len(conversation) != 1:
        raise ValueError("TRL's standard form holds single turns only; use the conversational form.")
    return conversation[0].content


def _messages(conversation: Conversation) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in conversation]
