"""Transcripts in one text, as in Anthropic's HH-RLHF: "\\n\\nHuman: …\\n\\nAssistant: …".

The chosen and the rejected transcript begin alike; what they share up to the last human turn is the prompt. Where the
prompt has a column of its own, the answers may be transcripts or plain replies. Without a rejected transcript the last
turn of the chosen one is a demonstration. (Bai et al. 2022, arXiv:2204.05862)
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Row
from typing import Any

from training.preferences.formats.facts import Facts
from training.preferences.formats.mapping import Mapping
from training.preferences.formats.messages import kind_of, shared_prompt, without_prompt
from training.preferences.formats.pairs import missing_columns
from training.preferences.records import Conversation, Message, Pair, Problem, RowProblem, check

TURN = re.compile(r"(?:^|\n\n)(Human|Assistant):")
SPEAKERS = {"Human": "user", "Assistant": "assistant"}


def looks_like_transcript(value: object) -> bool:
    """Whether a text begins with a human turn."""
    return isinstance(value, str) and value[:64].lstrip().startswith("Human:")


class TranscriptReader:
    """Row -> one pair."""

    def __init__(self, mapping: Mapping) -> None:
        columns = mapping.columns
        self.prompt = columns.get("prompt", "")
        self.chosen = columns.get("chosen", "chosen")
        self.rejected = columns.get("rejected", "")
        core = frozenset(filter(None, (self.prompt, self.chosen, self.rejected)))
        self.facts = Facts(columns, core)

    def __call__(self, row: Row[str, Any], line: int) -> list[Pair]:
        if self.chosen not in row:
            raise missing_columns([f"'{self.chosen}'"], row)
        chosen = _transcript(row[self.chosen], self.chosen)
        other = row.get(self.rejected)
        rejected = None if other is None else _transcript(other, self.rejected)
        prompt = self._prompt(row, chosen, rejected)
        fields, extra = self.facts.read(row)
        pair = Pair(
            prompt=prompt,
            chosen=without_prompt(chosen, prompt),
            rejected=None if rejected is None else without_prompt(rejected, prompt),
            extra=extra,
            line=line,
            **fields,
        )
        check(pair)
        return [pair]

    def _prompt(self, row: Row[str, Any], chosen: Conversation, rejected: Conversation | None) -> Conversation:
        if row.get(self.prompt) is not None:
            turns = _transcript(row[self.prompt], self.prompt, role="user")
            # A prompt that ends with "Assistant:" asks for the answer there.
            return turns[:-1] if turns and turns[-1] == Message("assistant", "") else turns
        return chosen[:-1] if rejected is None else shared_prompt(chosen, rejected)


def _transcript(value: object, column: str, role: str = "assistant") -> Conversation:
    """The turns of a transcript; text without turns is one message of the role."""
    if not isinstance(value, str):
        raise RowProblem(Problem.TYPE, f"{column} must be a transcript, found {kind_of(value)}.")
    text = value.lstrip()
    parts = TURN.split(text)
    if len(parts) == 1:
        return (Message(role, text.rstrip()),)
    if parts[0].strip():
        reason = f"{column} begins with other text than a turn of Human or Assistant."
        raise RowProblem(Problem.ROLES, reason)
    return tuple([Message(SPEAKERS[parts[at]], parts[at + 1].strip()) for at in range(1, len(parts), 2)])
