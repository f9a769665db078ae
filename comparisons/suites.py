"""Making prompt suites: from one prompt per line, from JSON Lines, or from conversations at hand.

A line of JSON Lines is {"prompt": …} with text or a list of {role, content}, or {"messages": […]}. Every line that
gives no prompt is kept with its number and the reason, so that nothing disappears.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from django.db import transaction

from alignapp.accounts.models import User
from training.models import DatasetVersion
from training.preferences.formats import BOM, interpret, parse_object, printable, refuse_foreign

from .audit import record
from .models import Prompt, Stratum, Suite
from .slugs import free_slug

Conversation = list[dict[str, str]]

MAX_LINE_BYTES = 256 * 1024
MAX_PROMPTS = 20_000
SHOWN_TEXT = 200
MAX_REJECTED = 2_000


class UnusableSuite(ValueError):
    """No suite can be made of this; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that gives no prompt."""

    line: int
    reason: str
    text: str


def create_suite(
    *,
    name: str,
    prompts: Iterable[Conversation],
    stratum: str = Stratum.OTHER,
    description: str = "",
    rejected: Sequence[Rejected] = (),
    held_for_evaluation: bool = False,
    fills: DatasetVersion | None = None,
    user: User | None = None,
) -> Suite:
    """Store conversations as a suite; one that occurs twice counts once. Raises UnusableSuite when there is none."""
    by_digest = {digest_of(messages): messages for messages in prompts}
    if not by_digest:
        raise UnusableSuite("A suite needs at least one prompt.")
    with transaction.atomic():
        suite = Suite.objects.create(
            slug=free_slug(Suite, name),
            name=name,
            description=description,
            sha256=digest_of_all(by_digest),
            stratum=stratum,
            rejected=[asdict(line) for line in rejected],
            held_for_evaluation=held_for_evaluation,
            fills=fills,
            created_by=user,
        )
        Prompt.objects.bulk_create(
            Prompt(suite=suite, position=position, messages=messages, sha256=digest)
            for position, (digest, messages) in enumerate(by_digest.items())
        )
    return suite


def digest_of_all(digests: Iterable[str]) -> str:
    """SHA-256 of a suite, from those of its prompts in order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def hold(suite: Suite, held: bool, user: User | None) -> None:
    """Hold the suite for evaluation, or let its prompts become training data again; its studies write it down."""
    with transaction.atomic():
        if not Suite.objects.filter(pk=suite.pk).exclude(held_for_evaluation=held).update(held_for_evaluation=held):
            return
        for study in suite.studies.all():
            record(study, user, "suite held" if held else "suite released", suite=suite.name)


def digest_of(messages: Conversation) -> str:
    """SHA-256 of the conversation in canonical JSON."""
    return hashlib.sha256(json.dumps(messages, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


# --- Reading lines ----------------------------------------------------------------------------------------------------


def read_prompts(source: BinaryIO, *, json_lines: bool) -> tuple[list[Conversation], list[Rejected]]:
    """All prompts of a file, and the lines that give none; raises UnreadableFile, or UnusableSuite for no prompt."""
    head = source.read(16)
    source.seek(0)
    refuse_foreign(head)
    prompts: list[Conversation] = []
    rejected: list[Rejected] = []
    first_line_of: dict[str, int] = {}
    for number, line in numbered_lines(source):
        try:
            messages = parse(line, number, json_lines=json_lines)
            if earlier := first_line_of.get(digest_of(messages)):
                raise ValueError(f"The same prompt stands on line {earlier}; a suite holds it once.")
            if len(prompts) == MAX_PROMPTS:
                raise ValueError(f"A suite holds at most {MAX_PROMPTS:,} prompts.")
        except ValueError as problem:
            rejected.append(Rejected(number, str(problem), printable(line[:SHOWN_TEXT])))
            if len(rejected) > MAX_REJECTED:
                raise UnusableSuite(too_many(rejected)) from problem
        else:
            first_line_of[digest_of(messages)] = number
            prompts.append(messages)
    if not prompts:
        raise UnusableSuite(no_prompts(rejected))
    return prompts, rejected


def no_prompts(rejected: Sequence[Rejected]) -> str:
    if not rejected:
        return "There is no prompt in it: every line is empty."
    first = rejected[0]
    return f"None of the {len(rejected)} lines gives a prompt. Line {first.line}: {first.reason}"


def too_many(rejected: Sequence[Rejected]) -> str:
    first = rejected[0]
    return (
        f"More than {MAX_REJECTED:,} lines give no prompt, so the file is probably meant for something else. "
        f"Line {first.line}: {first.reason} Nothing was stored."
    )


def read_pasted(text: str, *, json_lines: bool = False) -> tuple[list[Conversation], list[Rejected]]:
    """Prompts from a text field, one per line."""
    return read_prompts(io.BytesIO(text.encode()), json_lines=json_lines)


def numbered_lines(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines that hold something, with their number from 1, in bounded memory: of a long line only the start is kept."""
    number = 0
    while line := source.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = source.readline(1024 * 1024)
        line = line.removeprefix(BOM) if number == 1 else line
        if line.strip():
            yield number, line.rstrip(b"\r\n") if len(line) <= MAX_LINE_BYTES else line


def parse(line: bytes, number: int, *, json_lines: bool) -> Conversation:
    """The conversation on a line; raises ValueError with a sentence."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"The line is longer than {MAX_LINE_BYTES // 1024} KiB.")
    messages = parse_json(line, number) if json_lines else parse_text(line)
    if any("\0" in message["content"] for message in messages):
        raise ValueError("The prompt holds a NUL character, which no database keeps. Take it out.")
    return messages


def parse_text(line: bytes) -> Conversation:
    """A line of plain text as a prompt; raises ValueError with a sentence."""
    try:
        return [{"role": "user", "content": line.decode().strip()}]
    except UnicodeDecodeError as error:
        byte = f"Byte {error.start + 1} (0x{line[error.start]:02x})"
        raise ValueError(f"{byte} is not valid UTF-8. Save the file as UTF-8.") from error


def parse_json(line: bytes, number: int) -> Conversation:
    """A prompt in the form datasets have it, checked by the same rules; raises ValueError with a sentence."""
    return conversation_of(parse_object(line), number)


def conversation_of(row: Mapping[str, Any], number: int) -> Conversation:
    """What a row has under "prompt" or "messages", checked; raises ValueError with a sentence."""
    given = row.get("prompt", row.get("messages"))
    if given is None:
        names = ", ".join(repr(name[:40]) for name in list(row)[:8]) or "nothing"
        raise ValueError(f"The row has no 'prompt' or 'messages'; it has {names}.")
    pair = interpret({"prompt": given, "completion": "any"}, number)
    return [{"role": message.role, "content": message.content} for message in pair.prompt]
