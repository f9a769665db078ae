"""The wire format of preference data, and the rules a pair must keep to be usable by any method.

A reader turns a source row into a `Pair` or a `Refusal`; nothing in between exists, so that
accepted + refused = rows holds for every file. What is made for every row is a named tuple: a million of them are made
in a third of the time that frozen data classes take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

ROLES = frozenset({"system", "user", "assistant"})


class Message(NamedTuple):
    """One turn of a conversation."""

    role: str
    content: str


Conversation = tuple[Message, ...]
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Pair(NamedTuple):
    """A prompt with a preferred and another answer; `rejected` is None in a demonstration.

    `label` is P(chosen is the better answer): below 0.5 the pair is held to be the wrong way round, and the losses
    take it so; nothing is turned over. `margin` says how much better the better answer is, where the source does.
    `annotator`, `source` and `at` (ISO 8601) are empty where unknown; `position` is where the chosen answer was
    shown: 1 first or left, 2 second or right, 0 unknown.
    `line` is the line of the source file, from 1 (0: the pair did not come from a file).
    `extra` holds the source's other columns as JSON values.
    """

    prompt: Conversation
    chosen: Conversation
    rejected: Conversation | None
    weight: float = 1.0
    label: float = 1.0
    margin: float | None = None
    annotator: str = ""
    source: str = ""
    position: int = 0
    at: str = ""
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = NOTHING
    line: int = 0


class Problem(StrEnum):
    """Why a row cannot be used; the value is stored, the label is shown."""

    TOO_LONG = "line_too_long"
    ENCODING = "invalid_utf8"
    SYNTAX = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    REPEATED = "repeated_name"
    NESTED = "nested_too_deep"
    CELLS = "cells"
    COLUMNS = "missing_columns"
    TYPE = "wrong_type"
    ROLES = "roles"
    EMPTY = "empty_text"
    IDENTICAL = "identical_answers"
    WEIGHT = "weight"
    LABEL = "label"
    MARGIN = "margin"
    TIE = "tie"
    RATINGS = "ratings"
    WINNER = "winner"

    @property
    def label(self) -> str:
        return PROBLEM_LABELS[self]


PROBLEM_LABELS = {
    Problem.TOO_LONG: "Line too long",
    Problem.ENCODING: "Not valid UTF-8",
    Problem.SYNTAX: "Not JSON",
    Problem.NOT_AN_OBJECT: "Not a JSON object",
    Problem.REPEATED: "A name stands twice",
    Problem.NESTED: "Nested too deeply",
    Problem.CELLS: "Cells do not fit the columns",
    Problem.COLUMNS: "Columns missing",
    Problem.TYPE: "Wrong type",
    Problem.ROLES: "Roles out of place",
    Problem.EMPTY: "Empty text",
    Problem.IDENTICAL: "Chosen and rejected are the same",
    Problem.WEIGHT: "Weight unusable",
    Problem.LABEL: "Label unusable",
    Problem.MARGIN: "Margin unusable",
    Problem.TIE: "No answer is preferred",
    Problem.RATINGS: "Ratings unusable",
    Problem.WINNER: "Winner unusable",
}


class RowProblem(ValueError):
    """A row cannot be used; the message is a sentence for people."""

    def __init__(self, problem: Problem, reason: str) -> None:
        super().__init__(reason)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Refusal:
    """A source row that could not be used: where, why, and the row's text as far as it can be shown."""

    line: int
    problem: Problem
    reason: str
    text: str


def check(pair: Pair) -> None:
    """Raises RowProblem unless every method could train on the pair (or SFT, for a demonstration)."""
    _check_prompt(pair.prompt)
    _check_answer(pair.chosen, "chosen")
    if pair.rejected is not None:
        _check_answer(pair.rejected, "rejected")
        if pair.chosen == pair.rejected:
            raise RowProblem(Problem.IDENTICAL, "chosen and rejected are the same text, so the row prefers nothing.")
    if not (math.isfinite(pair.weight) and pair.weight > 0):
        raise RowProblem(Problem.WEIGHT, f"weight must be a finite number above 0, found {pair.weight}.")
    _check_label(pair)
    if pair.margin is not None and not (math.isfinite(pair.margin) and pair.margin >= 0):
        raise RowProblem(Problem.MARGIN, f"margin must be a finite number of 0 or more, found {pair.margin}.")


def _check_label(pair: Pair) -> None:
    if not 0 < pair.label <= 1:
        raise RowProblem(
            Problem.LABEL,
            f"label must be above 0 and at most 1, the probability that chosen is the better answer, "
            f"found {pair.label}.",
        )
    if pair.rejected is None and pair.label != 1:
        raise RowProblem(
            Problem.LABEL, "label says how likely chosen is the better answer, and the row has no rejected answer."
        )


def _check_prompt(prompt: Conversation) -> None:
    if not prompt:
        raise RowProblem(Problem.EMPTY, "prompt is an empty list.")
    if prompt[-1].role != "user":
        raise RowProblem(Problem.ROLES, f"prompt must end with a user message, it ends with role {prompt[-1].role!r}.")
    for position, message in enumerate(prompt, start=1):
        # An empty system message is a choice (it replaces a chat template's default); other empty turns are mistakes.
        if message.role != "system" and not message.content.strip():
            raise RowProblem(Problem.EMPTY, _empty("prompt", position, len(prompt)))


def _check_answer(answer: Conversation, column: str) -> None:
    if not answer:
        raise RowProblem(Problem.EMPTY, f"{column} holds no answer.")
    for position, message in enumerate(answer, start=1):
        if message.role != "assistant":
            raise RowProblem(
                Problem.ROLES,
                f"{column} may hold only assistant messages after the prompt, "
                f"message {position} of the answer has role {message.role!r}.",
            )
        if not message.content.strip():
            raise RowProblem(Problem.EMPTY, _empty(column, position, len(answer)))


def _empty(column: str, position: int, messages: int) -> str:
    where = column if messages == 1 else f"{column}, message {position} of {messages},"
    return f"{where} is empty."
