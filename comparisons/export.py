"""From judgements to preference pairs: an explicit rule, what it dropped and why, files for TRL, a sealed version."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import Prefetch
from django.urls import reverse

from alignapp.accounts.models import User
from training.models import Dataset, DatasetVersion
from training.preferences import trl
from training.preferences.cleaning.joining import join
from training.preferences.importing import seal
from training.preferences.records import Message, Pair, RowProblem, check

from .models import Assignment, Choice, Item, Rating, Study

ROWS_PER_CHUNK = 500


class Ties(StrEnum):
    """What a tie vote does."""

    IGNORE = "ignore"
    HALF = "half"


class Disagreement(StrEnum):
    """What becomes of an item whose raters prefer different answers."""

    MAJORITY = "majority"
    WEIGHT = "weight"
    DROP = "drop"


class Dropped(StrEnum):
    """Why an item gives no pair."""

    UNJUDGED = "unjudged"
    TOO_FEW = "too_few"
    BOTH_BAD = "both_bad"
    UNDECIDED = "undecided"
    DISAGREEMENT = "disagreement"
    UNUSABLE = "unusable"

    @property
    def label(self) -> str:
        return DROPPED_LABELS[self]


DROPPED_LABELS = {
    Dropped.UNJUDGED: "Nobody judged it",
    Dropped.TOO_FEW: "Fewer judgements than the rule asks for",
    Dropped.BOTH_BAD: "At least half of its judgements say both are bad",
    Dropped.UNDECIDED: "As many votes for one answer as for the other",
    Dropped.DISAGREEMENT: "Its raters disagree",
    Dropped.UNUSABLE: "The two answers are the same, or one is empty",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """How the judgements of an item become a pair.

    1. Fewer than `minimum` judgements (skips are none): no pair.
    2. At least half of them both-bad: no pair, whoever won the rest. Other both-bad judgements prefer nothing.
    3. Each preference is a vote; a tie is none (`ignore`) or half a vote for each answer (`half`).
    4. Equal votes: no pair. Otherwise the answer with more votes is chosen, and its share of the votes is
       the pair's agreement.
    5. Agreement below 1: the pair stands (`majority`), weighs as much as the agreement (`weight`), or falls (`drop`).
    """

    minimum: int = 1
    ties: Ties = Ties.IGNORE
    disagreement: Disagreement = Disagreement.MAJORITY

    def __str__(self) -> str:
        ties = "a tie is half a vote for each answer" if self.ties == Ties.HALF else "a tie is no vote"
        told = {
            Disagreement.MAJORITY: "the majority decides",
            Disagreement.WEIGHT: "the majority decides, weighted by its share of the votes",
            Disagreement.DROP: "items on which raters disagree are left out",
        }
        fewest = "1 judgement" if self.minimum == 1 else f"{self.minimum} judgements"
        return f"At least {fewest}; {ties}; {told[self.disagreement]}; both-bad items give no pair."

    def decide(self, first: int, second: int, ties: int, both_bad: int) -> Decision | Dropped:
        """Judgements counted by what they prefer -> which answer is chosen, or why none is."""
        total = first + second + ties + both_bad
        if not total:
            return Dropped.UNJUDGED
        if total < self.minimum:
            return Dropped.TOO_FEW
        if 2 * both_bad >= total:
            return Dropped.BOTH_BAD
        half = ties / 2 if self.ties == Ties.HALF else 0.0
        if first == second:
            return Dropped.UNDECIDED
        agreement = (max(first, second) + half) / (first + second + 2 * half)
        if agreement < 1 and self.disagreement == Disagreement.DROP:
            return Dropped.DISAGREEMENT
        return Decision(first > second, agreement, agreement if self.disagreement == Disagreement.WEIGHT else 1.0)


@dataclass(frozen=True, slots=True)
class Decision:
    """Which answer is chosen, with which share of the votes, and how much the pair weighs."""

    first_is_chosen: bool
    agreement: float
    weight: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What a rule makes of a study: items = pairs + dropped."""

    items: int
    pairs: int
    judgements: int
    several_turns: int
    dropped: dict[Dropped, int]

    @property
    def left_out(self) -> str:
        """What the rule dropped, in words; 'nothing' when every item gave a pair."""
        return "; ".join(f"{reason.label.lower()}: {count:,}" for reason, count in self.dropped.items()) or "nothing"


def outcomes(study: Study, rule: Rule) -> Iterator[Pair | Dropped]:
    """One outcome per item of the study, in the study's order, streamed."""
    for item in _items(study):
        counts = _counts(item)
        decision = rule.decide(*counts)
        yield decision if isinstance(decision, Dropped) else _pair(item, decision, counts)


def pairs(study: Study, rule: Rule) -> Iterator[Pair]:
    """The pairs that the rule makes, in the study's order."""
    return (outcome for outcome in outcomes(study, rule) if isinstance(outcome, Pair))


def summarise(study: Study, rule: Rule) -> Summary:
    """Count what the rule makes of every item."""
    dropped: Counter[Dropped] = Counter()
    made = several = 0
    for outcome in outcomes(study, rule):
        if isinstance(outcome, Dropped):
            dropped[outcome] += 1
        else:
            made += 1
            several += not trl.is_single_turn(outcome)
    judgements = Rating.objects.counted().filter(assignment__item__study=study).count()
    in_order = {reason: dropped[reason] for reason in Dropped if dropped[reason]}
    return Summary(made + dropped.total(), made, judgements, several, in_order)


def _items(study: Study) -> Iterator[Item]:
    done = Assignment.objects.judged_comparisons()
    standing = Prefetch("ratings", Rating.objects.standing(), to_attr="standing")
    judged = Prefetch("assignments", done.prefetch_related(standing), to_attr="judged")
    answers = ("prompt", "first__contender__policy", "second__contender__policy")
    items = study.items.comparisons().select_related(*answers).prefetch_related(judged)
    return items.order_by("position").iterator(chunk_size=ROWS_PER_CHUNK)


def _counts(item: Item) -> tuple[int, int, int, int]:
    """Judgements of an item that prefer its first answer, its second, neither (tie), and find both bad."""
    found: Counter[str] = Counter()
    for assignment in item.judged:  # type: ignore[attr-defined]
        first, second = (Choice.A, Choice.B) if assignment.first_is_a else (Choice.B, Choice.A)
        named = {first: "first", second: "second"}
        found.update(named.get(rating.choice, rating.choice) for rating in assignment.standing)
    return found["first"], found["second"], found[Choice.TIE], found[Choice.BOTH_BAD]


def _pair(item: Item, decision: Decision, counts: tuple[int, int, int, int]) -> Pair | Dropped:
    chosen, rejected = (item.first, item.second) if decision.first_is_chosen else (item.second, item.first)
    pair = Pair(
        prompt=tuple(Message(turn["role"], turn["content"]) for turn in item.prompt.messages),
        chosen=(Message("assistant", chosen.text),),
        rejected=(Message("assistant", rejected.text),),
        weight=decision.weight,
        extra={
            "item": item.position,
            "raters": sum(counts),
            "agreement": round(decision.agreement, 4),
            "chosen_policy": chosen.served_name,
            "rejected_policy": rejected.served_name,
        },
    )
    try:
        check(pair)
    except RowProblem:
        return Dropped.UNUSABLE
    return pair


# --- Files ------------------------------------------------------------------------------------------------------------


class Form(StrEnum):
    """TRL's two forms of a preference pair."""

    CONVERSATIONAL = "conversational"
    PLAIN = "plain"

    def row(self, pair: Pair) -> dict[str, Any]:
        """The pair's columns, the same in every row."""
        return (trl.plain(pair) if self is Form.PLAIN else trl.conversational(pair)) | {"weight": pair.weight}


def as_json_lines(study: Study, rule: Rule, form: Form) -> Iterator[bytes]:
    """One JSON object per pair and line."""
    for pair in pairs(study, rule):
        yield json.dumps(form.row(pair), ensure_ascii=False).encode() + b"\n"


def as_parquet(study: Study, rule: Rule, form: Form) -> Iterator[bytes]:
    """The same rows as a Parquet file, written and sent a row group at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    outlet = _Outlet()
    with pq.ParquetWriter(pa.PythonFile(outlet, mode="w"), _schema(form), compression="zstd") as writer:
        for rows in _chunks(form.row(pair) for pair in pairs(study, rule)):
            writer.write_table(pa.Table.from_pylist(rows, schema=_schema(form)))
            yield outlet.take()
    yield outlet.take()


class _Outlet:
    """A file that can only be written: its bytes are taken away as they come."""

    closed = False

    def __init__(self) -> None:
        self.written = 0
        self.waiting: list[bytes] = []

    def write(self, data: Any) -> int:
        self.waiting.append(bytes(data))
        self.written += len(self.waiting[-1])
        return len(self.waiting[-1])

    def tell(self) -> int:
        return self.written

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What was written stays to be taken."""

    def take(self) -> bytes:
        taken, self.waiting = b"".join(self.waiting), []
        return taken


def _schema(form: Form) -> Any:
    import pyarrow as pa

    turns = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    text = pa.string() if form is Form.PLAIN else turns
    facts = [("item", pa.int64()), ("raters", pa.int64()), ("agreement", pa.float64())]
    names = [("chosen_policy", pa.string()), ("rejected_policy", pa.string())]
    return pa.schema([("prompt", text), ("chosen", text), ("rejected", text), ("weight", pa.float64()), *facts, *names])


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == ROWS_PER_CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


# --- A version --------------------------------------------------------------------------------------------------------


def make_dataset_version(study: Study, rule: Rule, dataset: Dataset, user: User | None) -> DatasetVersion:
    """Seal the pairs as a new version of the dataset; raises NothingToSeal when the rule makes no pair."""
    return seal(dataset, pairs(study, rule), _origin(study, rule), user=user)


def join_version(study: Study, rule: Rule, parent: DatasetVersion, user: User | None) -> DatasetVersion:
    """A child of `parent` with its rows and the pairs of the study."""
    return join(parent, pairs(study, rule), _origin(study, rule), user=user)


def _origin(study: Study, rule: Rule) -> dict[str, Any]:
    """Where pairs of a study come from, for the version's page."""
    summary = summarise(study, rule)
    return {
        "kind": "study",
        "label": f"Study “{study.name}”",
        "url": reverse("study-results", args=[study.slug]),
        "slug": study.slug,
        "name": study.name,
        "items": summary.items,
        "ratings": summary.judgements,
        "pairs": summary.pairs,
        "rule": str(rule),
        "left_out": summary.left_out,
    }
