"""Samples of production prompts: read from a file, stored once, offered as targets of a report.

A sample keeps its prompts in the order and as often as they came: what is asked often weighs more.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from alignapp.accounts.models import User
from training.models import PromptSample
from training.preferences.formats import BOM, hint, interpret, parse_object, printable, refuse_foreign
from training.preferences.prompt_sets import PromptSet
from training.preferences.records import Conversation, Message, Problem, Refusal, RowProblem
from training.preferences.refused import RefusedRows

MOST_PROMPTS = 200_000
MAX_LINE_BYTES = 1024 * 1024
SHOWN_TEXT = 200

Read = Iterator[Conversation | Refusal]


class UnusableSample(ValueError):
    """No sample can be made of this; the message is a sentence for people."""


def store(name: str, source: BinaryIO, *, json_lines: bool, user: User | None = None) -> PromptSample:
    """Read a file and keep its prompts under their SHA-256; raises UnusableSample, UnreadableFile or OSError.

    Row and file appear together: a row that cannot be stored leaves no file.
    """
    head = source.read(1024)
    source.seek(0)
    refuse_foreign(head)
    folder = Path(settings.HOME) / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{uuid4().hex}.partial"
    try:
        with RefusedRows(folder / f"{uuid4().hex}.refused.jsonl") as refused:
            digest, count, first = _write(partial, refused, read(source, json_lines=json_lines))
            if not count:
                raise UnusableSample(_no_prompt(first, hint(head) if json_lines else ""))
            sample = PromptSample(name=name, sha256=digest, prompts=count, rejected=refused.count, created_by=user)
            with transaction.atomic():
                sample.save()
                refused.path = refused_path(sample)
                refused.publish()
                os.replace(partial, sample.path)
    finally:
        partial.unlink(missing_ok=True)
    return sample


def refused_path(sample: PromptSample) -> Path:
    """The list of lines that gave no prompt; there is none where every line did."""
    return sample.path.with_suffix(".refused.jsonl")


def _write(path: Path, refused: RefusedRows, found: Read) -> tuple[str, int, Refusal | None]:
    """Digest and number of the prompts, and the first refusal."""
    digest, count, first = hashlib.sha256(), 0, None
    with path.open("wb") as file:
        for one in found:
            if isinstance(one, Refusal):
                first = first or one
                refused.add(one)
                continue
            if count == MOST_PROMPTS:
                raise UnusableSample(f"A sample holds at most {MOST_PROMPTS:,} prompts. Draw fewer of them at random.")
            line = json.dumps({"prompt": [turn._asdict() for turn in one]}, ensure_ascii=False).encode() + b"\n"
            digest.update(line)
            file.write(line)
            count += 1
    return digest.hexdigest(), count, first


def _no_prompt(first: Refusal | None, advice: str) -> str:
    if first is None:
        return "There is no prompt in it: every line is empty."
    return f"No line gives a prompt. Line {first.line}: {first.reason} {advice}".strip()


# --- Reading lines ----------------------------------------------------------------------------------------------------


def read(source: BinaryIO, *, json_lines: bool) -> Read:
    """Every line's prompt, or why it gives none; empty lines are passed over.

    A JSON line has `prompt` or `messages`: text, or a list of role and content; other columns do not matter.
    """
    parse = _from_json if json_lines else _from_text
    for number, line in _lines(source):
        try:
            yield parse(line, number)
        except RowProblem as problem:
            yield Refusal(number, problem.problem, str(problem), printable(line[:SHOWN_TEXT]))


def _lines(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines that hold something, with their number from 1; of one that is too long the start, a byte too long."""
    number = 0
    while line := source.readline(MAX_LINE_BYTES + 1):
        number += 1
        rest = line
        while len(line) > MAX_LINE_BYTES and rest and not rest.endswith(b"\n"):
            rest = source.readline(MAX_LINE_BYTES)
        line = line.removeprefix(BOM) if number == 1 else line
        if line.strip():
            yield number, line if len(line) > MAX_LINE_BYTES else line.strip()


def _check_length(line: bytes) -> None:
    if len(line) > MAX_LINE_BYTES:
        raise RowProblem(Problem.TOO_LONG, f"The line is longer than {MAX_LINE_BYTES:,} bytes.")


def _from_json(line: bytes, number: int) -> Conversation:
    _check_length(line)
    row = parse_object(line)
    given = row.get("prompt", row.get("messages"))
    if given is None:
        names = ", ".join(repr(name[:40]) for name in list(row)[:8]) or "nothing"
        raise RowProblem(Problem.COLUMNS, f"The row has no 'prompt' or 'messages'; it has {names}.")
    return interpret({"prompt": given, "completion": "any"}, number).prompt


def _from_text(line: bytes, number: int) -> Conversation:
    _check_length(line)
    try:
        return (Message("user", line.decode()),)
    except UnicodeDecodeError as error:
        reason = f"Byte {error.start + 1} (0x{line[error.start]:02x}) is not valid UTF-8. Save the file as UTF-8."
        raise RowProblem(Problem.ENCODING, reason) from error


# --- Reading a stored sample ------------------------------------------------------------------------------------------


def prompts_of(sample: PromptSample, limit: int | None = None) -> Iterator[Conversation]:
    """The stored prompts, in order; raises OSError when the file is gone."""
    with sample.path.open(encoding="utf-8") as file:
        for line in islice(file, limit):
            yield tuple(Message(turn["role"], turn["content"]) for turn in json.loads(line)["prompt"])


class SampleSets:
    """Provides samples to prompt_sets, by primary key: "sample:7"."""

    def all(self) -> list[PromptSet]:
        from django.urls import reverse

        return [
            PromptSet(f"sample:{s.pk}", s.name, s.prompts, reverse("prompt-sample", args=[s.pk]), s.sha256)
            for s in PromptSample.objects.order_by("name", "-created_at")
        ]

    def prompts(self, name: str) -> Iterator[Conversation]:
        sample = PromptSample.objects.filter(pk=int(name)).first() if name.isdecimal() else None
        if sample is None:
            raise KeyError(name)
        return prompts_of(sample)
