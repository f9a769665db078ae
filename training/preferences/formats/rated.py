"""Several rated answers to one prompt, as in UltraFeedback (arXiv:2310.01377) and in what Argilla and distilabel write.

The answers are a list of objects that hold text and rating, or a list of texts beside a list of ratings. Which pairs a
row gives is the mapping's rule; a pair's margin is the difference of its ratings. Answers without a text or without a
rating are left out. A row gives no pair when fewer than two are left or when all that are left are rated alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping as Row
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from training.preferences.formats.facts import Facts
from training.preferences.formats.mapping import Mapping, Pairing
from training.preferences.formats.messages import conversation, kind_of, without_prompt
from training.preferences.formats.pairs import finite, missing_columns
from training.preferences.formats.roles import ANSWER_SCORE, ANSWER_TEXT
from training.preferences.records import Conversation, Pair, Problem, RowProblem, check

# Every two of more answers than this would be millions of pairs from one row.
MOST_ANSWERS = 256


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer, its rating, and what else is known of it."""

    answer: Conversation
    score: float
    rest: dict[str, Any]


class RatedReader:
    """Row -> the pairs of the mapping's rule."""

    def __init__(self, mapping: Mapping) -> None:
        columns = mapping.columns
        self.prompt = columns.get("prompt", "prompt")
        self.answers = columns.get("answers", "")
        self.scores = columns.get("scores", "")
        self.models = columns.get("models", "")
        self.text = columns.get("text", ANSWER_TEXT.synonyms[0])
        self.score = columns.get("score", ANSWER_SCORE.synonyms[0])
        self.mapping = mapping
        core = frozenset(filter(None, (self.prompt, self.answers, self.scores, self.models)))
        self.facts = Facts(columns, core)

    def __call__(self, row: Row[str, Any], line: int) -> list[Pair]:
        if missing := [f"'{name}'" for name in (self.prompt, self.answers) if name not in row]:
            raise missing_columns(missing, row)
        prompt = conversation(row[self.prompt], self.prompt, "user")
        rated = self._rated(row)
        if len(rated) < 2:
            reason = f"A pair needs two answers with a text and a rating; the row has {len(rated)}."
            raise RowProblem(Problem.RATINGS, reason)
        fields, extra = self.facts.read(row)
        # A rating or model of the row as a whole says nothing of single answers.
        extra |= finite(
            {name: row[name] for name in (self.scores, self.models) if not isinstance(row.get(name), list | None)}
        )
        pairs = [
            Pair(
                prompt=prompt,
                chosen=without_prompt(better.answer, prompt),
                rejected=without_prompt(worse.answer, prompt),
                margin=better.score - worse.score,
                extra=extra | _of("chosen", better.rest) | _of("rejected", worse.rest),
                line=line,
                **fields,
            )
            for better, worse in self._ruled(rated)
            if better.answer != worse.answer
        ]
        if not pairs:
            raise RowProblem(Problem.IDENTICAL, "The answers that the rule pairs are the same text.")
        for pair in pairs:
            check(pair)
        return pairs

    def _ruled(self, rated: list[Rated]) -> list[tuple[Rated, Rated]]:
        """The pairs by the rule, better answer first; raises RowProblem where there is none."""
        ranked = sorted(rated, key=lambda answer: -answer.score)
        best, worst = ranked[0], ranked[-1]
        if best.score == worst.score:
            reason = f"All {len(ranked)} answers are rated {best.score:g}, so the row prefers nothing."
            raise RowProblem(Problem.TIE, reason)
        match self.mapping.pairing:
            case Pairing.BEST_WORST:
                return [(best, worst)]
            case Pairing.BEST_EACH:
                return [(best, other) for other in ranked[1:] if other.score < best.score]
        gap = self.mapping.gap
        if best.score - worst.score < gap:
            reason = (
                f"The ratings differ by at most {best.score - worst.score:g}, less than the gap of {gap:g} asked for."
            )
            raise RowProblem(Problem.TIE, reason)
        return [(better, worse) for better, worse in combinations(ranked, 2) if better.score - worse.score >= gap]

    def _rated(self, row: Row[str, Any]) -> list[Rated]:
        answers = _list(row[self.answers], self.answers)
        if len(answers) > MOST_ANSWERS:
            reason = f"{self.answers} holds {len(answers):,} answers; at most {MOST_ANSWERS} are read."
            raise RowProblem(Problem.RATINGS, reason)
        scores = self._beside(row, self.scores, len(answers))
        models = self._beside(row, self.models, len(answers))
        found = []
        for position, (answer, score, model) in enumerate(zip(answers, scores, models, strict=True), start=1):
            rest = {} if model is None else {"model": model}
            if isinstance(answer, dict):
                rest |= {key: value for key, value in answer.items() if key != self.text}
                score = answer.get(self.score) if score is None else score
                answer = answer.get(self.text)
            rating = _rating(score)
            if rating is None or not answer or (isinstance(answer, str) and not answer.strip()):
                continue
            turns = conversation(answer, f"{self.answers}, answer {position}", "assistant")
            found.append(Rated(turns, rating, finite(rest)))
        return found

    def _beside(self, row: Row[str, Any], column: str, length: int) -> list[Any]:
        """A column that holds one value for each answer, or nothing for each."""
        value = row.get(column)
        if not isinstance(value, list):
            return [None] * length
        if len(value) != length:
            reason = f"{column} holds {len(value)} values for {length} answers."
            raise RowProblem(Problem.RATINGS, reason)
        return value


def _of(side: str, rest: dict[str, Any]) -> dict[str, Any]:
    return {f"{side}.{key}": value for key, value in rest.items()}


def _list(value: object, column: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise RowProblem(Problem.TYPE, f"{column} must be a list of answers, found {kind_of(value)}.")


def _rating(value: object) -> float | None:
    """A finite number, also one written as text; None where there is none ("N/A")."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        rating = float(value)
    except (ValueError, OverflowError):
        return None
    return rating if math.isfinite(rating) else None
