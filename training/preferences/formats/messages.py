"""Conversations in the values of a row: text, or a list of {role, content}."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from training.preferences.records import ROLES, Conversation, Message, Problem, RowProblem


def conversation(value: object, column: str, role: str) -> Conversation:
    """The messages of a value; text is one message of the role. Raises RowProblem."""
    if isinstance(value, str):
        return (Message(role, value),)
    if isinstance(value, list):
        return tuple([_message(item, column, position) for position, item in enumerate(value, start=1)])
    raise RowProblem(Problem.TYPE, f"{column} must be text or a list of messages, found {kind_of(value)}.")


def _message(item: object, column: str, position: int) -> Message:
    if not isinstance(item, dict):
        raise RowProblem(
            Problem.TYPE,
            f"{column}, message {position}, must be an object with role and content, found {kind_of(item)}.",
        )
    role, content = item.get("role"), item.get("content")
    if not isinstance(content, str):
        raise RowProblem(Problem.TYPE, f"{column}, message {position}: content must be text, found {kind_of(content)}.")
    if not isinstance(role, str) or role not in ROLES:
        raise RowProblem(
            Problem.ROLES,
            f"{column}, message {position}: role must be system, user or assistant, found {short(role)}.",
        )
    return Message(role, content)


def shared_prompt(first: Conversation, second: Conversation) -> Conversation:
    """What two whole conversations have in common, up to the last user turn before they part."""
    shared = 0
    while shared < min(len(first), len(second)) and first[shared] == second[shared]:
        shared += 1
    if shared == len(first) == len(second):
        raise RowProblem(Problem.IDENTICAL, "chosen and rejected are the same text, so the row prefers nothing.")
    while shared and first[shared - 1].role != "user":
        shared -= 1
    if not shared:
        raise RowProblem(
            Problem.COLUMNS, "The row has no 'prompt', and chosen and rejected do not begin with the same user message."
        )
    return first[:shared]


def without_prompt(answer: Conversation, prompt: Conversation) -> Conversation:
    """The answer alone, where it begins with the prompt."""
    begins_with_prompt = len(answer) > len(prompt) and answer[: len(prompt)] == prompt
    return answer[len(prompt) :] if begins_with_prompt else answer


def beside_role_and_content(row: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    """What the messages in these columns hold besides, as {"prompt[0].name": …}."""
    return {
        f"{column}[{position}].{key}": message[key]
        for column in columns
        if isinstance(value := row.get(column), list)
        for position, message in enumerate(value)
        if isinstance(message, dict) and len(message) > 2
        for key in message
        if key not in ("role", "content")
    }


def kind_of(value: object) -> str:
    """The JSON name of a value's type, with the value where it is short."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {short(value)}" if value else "an empty text"
        case int() | float():
            return f"the number {short(value)}"
        case list():
            return "a list"
    return "an object"


def short(value: object) -> str:
    """A value in at most 40 characters."""
    text = "nothing" if value is None else repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def names(row: Mapping[str, Any]) -> str:
    """The columns of a row, for a sentence."""
    if not row:
        return "no columns"
    shown = [repr(name[:40]) for name in list(row)[:12]]
    return ", ".join(shown) + (f" and {len(row) - 12} more" if len(row) > 12 else "")
