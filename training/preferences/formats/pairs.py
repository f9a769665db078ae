"""Rows that are pairs or demonstrations already, in TRL's forms, also mixed within a file.

| columns                         | meaning                                                               |
|---------------------------------|-----------------------------------------------------------------------|
| prompt, chosen, rejected        | a pair; each column is text or a list of {role, content}              |
| chosen, rejected (lists)        | a pair of whole conversations; what they share is the prompt          |
| prompt, completion / chosen     | a demonstration                                                       |

Where `chosen` and `rejected` are lists that begin with the prompt, the prompt is taken off.
"""

from __future__ import annotations

from collections.abc import Mapping as Row
from typing import Any

from training.preferences.formats.facts import Facts, is_finite
from training.preferences.formats.mapping import Mapping
from training.preferences.formats.messages import (
    beside_role_and_content,
    conversation,
    names,
    shared_prompt,
    without_prompt,
)
from training.preferences.formats.roles import REJECTED, normal
from training.preferences.records import Pair, Problem, RowProblem, check


class PairReader:
    """Row -> one pair. Roles without a column are looked for under their own name."""

    def __init__(self, mapping: Mapping) -> None:
        columns = mapping.columns
        self.prompt = columns.get("prompt", "")
        self.chosen = columns.get("chosen", "")
        self.rejected = columns.get("rejected", "")
        self.completion = columns.get("completion", "")
        core = frozenset(filter(None, (self.prompt, self.chosen, self.rejected, self.completion)))
        self.facts = Facts(columns, core)

    def __call__(self, row: Row[str, Any], line: int) -> list[Pair]:
        answer = self.chosen if self.chosen in row else self.completion
        if not (answer in row and self.prompt in row and self.rejected in row):
            self._require_columns(row, answer)
        chosen = conversation(row[answer], answer, "assistant")
        other = row.get(self.rejected)
        rejected = None if other is None else conversation(other, self.rejected, "assistant")
        if self.prompt in row:
            prompt = conversation(row[self.prompt], self.prompt, "user")
        else:
            assert rejected is not None, "_require_columns asks for a prompt where there is no rejected answer"
            prompt = shared_prompt(chosen, rejected)
        fields, extra = self.facts.read(row)
        lists = [name for name in (self.prompt, answer, self.rejected) if isinstance(row.get(name), list)]
        if lists and (more := beside_role_and_content(row, lists)):
            extra |= finite(more)
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

    def _require_columns(self, row: Row[str, Any], answer: str) -> None:
        missing = []
        if answer not in row:
            missing.append(f"'{self.chosen or 'chosen'}' (or '{self.completion or 'completion'}')")
        whole_conversations = isinstance(row.get(answer), list) and isinstance(row.get(self.rejected), list)
        if self.prompt not in row and not whole_conversations:
            missing.append(f"'{self.prompt or 'prompt'}'")
        # A column that is meant but misspelt must not turn a file of pairs into demonstrations.
        if self.rejected and self.rejected not in row and any(normal(name) == REJECTED.name for name in row):
            missing.append(f"'{self.rejected or 'rejected'}'")
        if missing:
            raise missing_columns(missing, row)


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """The values, or RowProblem where one cannot be written again."""
    if not is_finite(values):
        raise RowProblem(Problem.TYPE, "A number outside the range of a double cannot be kept.")
    return values


def missing_columns(missing: list[str], row: Row[str, Any]) -> RowProblem:
    """The problem of a row that lacks columns."""
    plural = "Column" if len(missing) == 1 else "Columns"
    verb = "is" if len(missing) == 1 else "are"
    return RowProblem(Problem.COLUMNS, f"{plural} {', '.join(missing)} {verb} missing; the row has {names(row)}.")
