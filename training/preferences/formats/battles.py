"""Battles of two models before a judge, as in the arena's logs (arXiv:2309.11998, arXiv:2403.04132).

Model A's answer was shown first or left, so the chosen answer's position is 1 where A won and 2 where B won. A tie is
refused or labelled 0.5, as the mapping says; "both bad" prefers nothing and is refused. The models are kept in `extra`
as `chosen.model` and `rejected.model`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Row
from enum import Enum
from typing import Any

from training.preferences.formats.facts import Facts
from training.preferences.formats.mapping import Mapping, Ties
from training.preferences.formats.messages import (
    beside_role_and_content,
    conversation,
    kind_of,
    shared_prompt,
    without_prompt,
)
from training.preferences.formats.pairs import finite, missing_columns
from training.preferences.records import Pair, Problem, RowProblem, check


class Outcome(Enum):
    """What the judge said."""

    A = 1
    B = 2
    TIE = 3
    BOTH_BAD = 4


WORDS = {
    **dict.fromkeys(("modela", "a", "answera", "responsea", "assistanta", "left", "first"), Outcome.A),
    **dict.fromkeys(("modelb", "b", "answerb", "responseb", "assistantb", "right", "second"), Outcome.B),
    **dict.fromkeys(("tie", "draw", "equal", "same"), Outcome.TIE),
    **dict.fromkeys(("tiebothbad", "bothbad", "bad", "neither"), Outcome.BOTH_BAD),
}


class BattleReader:
    """Row -> one pair."""

    def __init__(self, mapping: Mapping) -> None:
        columns = mapping.columns
        self.prompt = columns.get("prompt", "")
        self.a = columns.get("answer_a", "")
        self.b = columns.get("answer_b", "")
        self.winner = columns.get("winner", "")
        self.models = (columns.get("model_a", ""), columns.get("model_b", ""))
        self.ties = mapping.ties
        core = frozenset(filter(None, (self.prompt, self.a, self.b, self.winner, *self.models)))
        self.facts = Facts(columns, core)

    def __call__(self, row: Row[str, Any], line: int) -> list[Pair]:
        if missing := [f"'{name}'" for name in (self.a, self.b, self.winner) if name not in row]:
            raise missing_columns(missing, row)
        outcome = self._outcome(row)
        first, second = conversation(row[self.a], self.a, "assistant"), conversation(row[self.b], self.b, "assistant")
        prompt = self._prompt(row, first, second)
        first, second = without_prompt(first, prompt), without_prompt(second, prompt)
        b_won = outcome is Outcome.B
        fields, extra = self.facts.read(row)
        for side, column in zip(("rejected", "chosen") if b_won else ("chosen", "rejected"), self.models, strict=True):
            if row.get(column) is not None:
                extra |= finite({f"{side}.model": row[column]})
        if lists := [name for name in (self.prompt, self.a, self.b) if isinstance(row.get(name), list)]:
            extra |= finite(beside_role_and_content(row, lists))
        pair = Pair(
            prompt=prompt,
            chosen=second if b_won else first,
            rejected=first if b_won else second,
            label=0.5 if outcome is Outcome.TIE else 1.0,
            position=2 if b_won else 1,
            extra=extra,
            line=line,
            **fields,
        )
        check(pair)
        return [pair]

    def _prompt(self, row: Row[str, Any], first: Any, second: Any) -> Any:
        if row.get(self.prompt) is not None:
            return conversation(row[self.prompt], self.prompt, "user")
        if not (isinstance(row[self.a], list) and isinstance(row[self.b], list)):
            raise missing_columns([f"'{self.prompt or 'prompt'}'"], row)
        return shared_prompt(first, second)

    def _outcome(self, row: Row[str, Any]) -> Outcome:
        """The winner's side; raises RowProblem where nobody won and the rule gives no pair."""
        value = row[self.winner]
        outcome = self._named(value, row)
        if outcome is Outcome.BOTH_BAD:
            raise RowProblem(Problem.TIE, "Both answers were judged bad, so the row prefers neither.")
        if outcome is Outcome.TIE and self.ties is Ties.REFUSE:
            raise RowProblem(Problem.TIE, "The battle ended in a tie, so the row prefers neither.")
        if outcome is None:
            reason = f"{self.winner} must name model A, model B, a tie or both bad, found {kind_of(value)}."
            raise RowProblem(Problem.WINNER, reason)
        return outcome

    def _named(self, value: object, row: Row[str, Any]) -> Outcome | None:
        if not isinstance(value, str):
            return None
        if outcome := WORDS.get(re.sub(r"[\W_]+", "", value.casefold())):
            return outcome
        named = [row.get(column) == value for column in self.models]
        return {(True, False): Outcome.A, (False, True): Outcome.B}.get((named[0], named[1]))
