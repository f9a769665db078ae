"""Lengths in tokens, and what a run's limit cuts away. Looks only where a tokenizer is chosen.

Rows are cut as training/engine/data.py cuts them: what goes beyond `max_length` after the prompt is lost from the end
of each answer; a pair whose answers are then empty or equal is dropped from the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from training.preferences.chat_tokens import ChatTokenizer, Frame, UnusableTokenizer
from training.preferences.checks.findings import Level, counted, harms
from training.preferences.intervals import wilson
from training.preferences.survey import Survey

Flags = np.ndarray[Any, np.dtype[np.bool_]]

LOST = 0.5
"""Heuristic: a run that drops more than half of the pairs trains on another version than the one it was given."""

CUT = 0.05
"""Heuristic: from this share of cut pairs on (lower bound), policies learn from answers without an end."""

BINS = 24

COUNTED = 20_000
"""Rows of which every token is counted; of more rows so many are drawn at random, and those that could be cut."""

DENSER = 1.5
"""Heuristic: a row could be cut if it would be with so many times the tokens per byte of the densest row drawn."""

ROWS_PER_BATCH = 1_024

SINGLE = "len(prompt) = 1 AND prompt[1].role = 'user' AND len(chosen) = 1 AND coalesce(len(rejected), 1) = 1"
PLAIN_ROWS = f"""
SELECT row, prompt[1].content AS prompt, chosen[1].content AS chosen, rejected[1].content AS rejected
FROM pairs WHERE {SINGLE} AND row IN (SELECT row FROM counted)
"""
LONG_ROWS = f"""
SELECT row, prompt, chosen, rejected FROM pairs WHERE NOT ({SINGLE}) AND row IN (SELECT row FROM counted)
"""
# Bytes of prompt and longer answer; whether a row is drawn; whether its answers are nearly equal.
SIZES = """
SELECT bytes(prompt) + greatest(bytes(chosen), coalesce(bytes(rejected), 0)) AS bytes,
       hash(row) % {every} = 0 AS drawn, is_same_but_for_space AS alike
FROM pairs JOIN measures USING (row) ORDER BY row
"""
PROBES = 20
"""Rows on which the frame of a template must give what the template itself gives; else every row is rendered."""


@dataclass
class Lengths:
    """Tokens per row of prompt and answers, -1 where there is no such answer, and what a limit does."""

    prompt: np.ndarray[Any, Any]
    chosen: np.ndarray[Any, Any]
    rejected: np.ndarray[Any, Any]
    empty: list[int] = field(default_factory=list)
    identical: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, rows: int) -> Lengths:
        return cls(np.full(rows, -1, np.int32), np.full(rows, -1, np.int32), np.full(rows, -1, np.int32))

    @property
    def total(self) -> np.ndarray[Any, Any]:
        """Prompt and the longer answer."""
        total: np.ndarray[Any, Any] = self.prompt + np.maximum(self.chosen, self.rejected)
        return total


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows as text, written by the template."""

    rows: list[int]
    prompts: list[str]
    chosen: list[str]
    rejected: list[str | None]


def token_lengths(survey: Survey) -> None:
    """How long the rows are in tokens, how many are cut, and how many teach nothing after the cut."""
    if not survey.settings.tokenizer:
        return
    try:
        tokenizer = ChatTokenizer(Path(survey.settings.tokenizer))
        limit = min(survey.settings.max_length, tokenizer.positions)
        lengths, drawn = _counted(survey, tokenizer, limit)
    except UnusableTokenizer as error:
        survey.notes["tokens"] = f"{error} Tokens were not counted; choose another tokenizer."
        return
    _describe(survey, lengths, drawn, limit)
    _dropped(survey, lengths, limit)


def _counted(survey: Survey, tokenizer: ChatTokenizer, limit: int) -> tuple[Lengths, Flags]:
    """Lengths of the rows drawn and of those that could be cut, and which were drawn; leaves the score `tokens`, or
    `estimated_tokens`."""
    size, drawn, alike = _sizes(survey)
    lengths = Lengths.of(survey.rows)
    _measure(survey, tokenizer, drawn, limit, lengths)
    if drawn.all():
        survey.score("tokens", lengths.total)
        return lengths, drawn
    size += tokenizer.frame.bytes if tokenizer.frame else 0
    density = lengths.total[drawn] / size[drawn]
    could_be_cut = size * density.max() * DENSER > limit
    _measure(survey, tokenizer, ~drawn & (could_be_cut | alike), limit, lengths)
    estimated = np.round(size * density.mean()).astype(np.int32)
    survey.score("estimated_tokens", np.where(lengths.prompt >= 0, lengths.total, estimated))
    survey.notes["tokens"] = (
        f"Counted in {int(drawn.sum()):,} rows drawn at random and in every row that could be cut; "
        "for the others the score is estimated from their bytes."
    )
    return lengths, drawn


def _sizes(survey: Survey) -> tuple[np.ndarray[Any, Any], Flags, Flags]:
    every = -(-survey.rows // COUNTED)
    survey.database.execute(
        "CREATE OR REPLACE MACRO bytes(turns) AS list_sum(list_transform(turns, lambda turn: strlen(turn.content)))"
    )
    found = survey.database.execute(SIZES.format(every=every)).fetchnumpy()
    return found["bytes"].astype(np.float64), found["drawn"].astype(bool), found["alike"].astype(bool)


def _measure(survey: Survey, tokenizer: ChatTokenizer, wanted: Flags, limit: int, lengths: Lengths) -> None:
    """Count the tokens of the wanted rows into `lengths`."""
    import pyarrow as pa

    survey.database.register("wanted", pa.table({"row": np.flatnonzero(wanted)}))
    survey.database.execute("CREATE OR REPLACE TABLE counted AS SELECT row FROM wanted")
    survey.database.unregister("wanted")
    for batch in _batches(survey, tokenizer):
        _count(batch, tokenizer, limit, lengths)


def _count(batch: Batch, tokenizer: ChatTokenizer, limit: int, lengths: Lengths) -> None:
    present = [number for number, text in enumerate(batch.rejected) if text is not None]
    prompts = tokenizer.lengths(batch.prompts)
    chosen = tokenizer.answers(batch.chosen)
    rejected = dict(zip(present, tokenizer.answers([t for t in batch.rejected if t is not None]), strict=True))
    lengths.prompt[batch.rows] = prompts
    lengths.chosen[batch.rows] = [len(ids) for ids in chosen]
    lengths.rejected[batch.rows] = [len(rejected[n]) if n in rejected else -1 for n in range(len(batch.rows))]
    for number in present:
        room = max(0, limit - prompts[number])
        if room == 0:
            lengths.empty.append(batch.rows[number])
        elif chosen[number][:room] == rejected[number][:room]:
            lengths.identical.append(batch.rows[number])


def _batches(survey: Survey, tokenizer: ChatTokenizer) -> Iterator[Batch]:
    """All rows: a question with single answers by the template's frame, every other row by the template itself."""
    frame, probed = tokenizer.frame, 0
    for columns in _columns(survey, PLAIN_ROWS):
        if frame and probed < PROBES:
            probed = PROBES
            frame = frame if _holds(frame, tokenizer, columns) else None
        yield _framed(frame, columns) if frame else _rendered(tokenizer, _as_messages(columns))
    for columns in _columns(survey, LONG_ROWS):
        yield _rendered(tokenizer, columns)


def _columns(survey: Survey, query: str) -> Iterator[dict[str, list[Any]]]:
    for batch in survey.database.cursor().sql(query).to_arrow_reader(ROWS_PER_BATCH):
        yield batch.to_pydict()


def _holds(frame: Frame, tokenizer: ChatTokenizer, columns: dict[str, list[Any]]) -> bool:
    messages = _as_messages({name: values[:PROBES] for name, values in columns.items()})
    pairs = zip(messages["prompt"], messages["chosen"], strict=True)
    return all(
        tokenizer.texts(prompt, chosen) == (frame.prompt(prompt[0]["content"]), frame.answer(chosen[0]["content"]))
        for prompt, chosen in pairs
    )


def _framed(frame: Frame, columns: dict[str, list[Any]]) -> Batch:
    return Batch(
        columns["row"],
        [frame.prompt(text) for text in columns["prompt"]],
        [frame.answer(text) for text in columns["chosen"]],
        [None if text is None else frame.answer(text) for text in columns["rejected"]],
    )


def _as_messages(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    def turns(role: str, texts: list[str | None]) -> list[Any]:
        return [None if text is None else [{"role": role, "content": text}] for text in texts]

    answers = {side: turns("assistant", columns[side]) for side in ("chosen", "rejected")}
    return {"row": columns["row"], "prompt": turns("user", columns["prompt"]), **answers}


def _rendered(tokenizer: ChatTokenizer, columns: dict[str, list[Any]]) -> Batch:
    chosen = [tokenizer.texts(p, a) for p, a in zip(columns["prompt"], columns["chosen"], strict=True)]
    rejected = [
        None if answer is None else tokenizer.texts(prompt, answer)[1]
        for prompt, answer in zip(columns["prompt"], columns["rejected"], strict=True)
    ]
    return Batch(columns["row"], [before for before, _ in chosen], [after for _, after in chosen], rejected)


def _describe(survey: Survey, lengths: Lengths, drawn: Flags, limit: int) -> None:
    median, most = np.quantile(lengths.total[drawn], [0.5, 0.99])
    rows = np.flatnonzero((lengths.prompt >= 0) & (lengths.total > limit))
    often = wilson(len(rows), survey.rows)[0] > CUT
    of = "" if drawn.all() else f" Lengths are those of {int(drawn.sum()):,} rows drawn at random."
    survey.found.add(
        "token_lengths",
        f"Half of the rows have up to {median:,.0f} tokens and 99 % up to {most:,.0f}, prompt and longer answer; "
        f"{counted(len(rows), 'row is', 'rows are')} cut at {limit:,}.{of}",
        harms=harms(
            Level.WARNING if often else Level.INFO,
            dpo="A cut answer has no end; where much is cut, the policy learns to run on.",
            cpo="A cut answer has no end; where much is cut, the policy learns to run on.",
            rlhf="The reward model judges the beginning only, and the policy's samples are cut as well.",
        ),
        action=_advice(survey, limit) if len(rows) else "Nothing to do.",
        threshold=f"A warning when more than {CUT:.0%} of the rows are cut (lower bound), a heuristic.",
        actions=("drop",) if len(rows) else (),
        count=len(rows),
        total=survey.rows,
        rows=rows,
        picture=_picture(lengths, drawn),
    )


def _advice(survey: Survey, limit: int) -> str:
    if limit < survey.settings.max_length:
        return "The model reads no longer texts: choose another, or leave the longest rows out."
    return "Raise the longest text of the run, or leave the longest rows out."


def _picture(lengths: Lengths, drawn: Flags) -> dict[str, Any]:
    """Bins up to the 99th percentile, so that one huge answer does not flatten the picture."""
    rejected = lengths.rejected[drawn]
    sides = {"prompt": lengths.prompt[drawn], "chosen": lengths.chosen[drawn], "rejected": rejected[rejected >= 0]}
    longest = max(float(np.quantile(side, 0.99)) for side in sides.values() if len(side))
    width = max(1, -(-int(longest) // BINS))
    series = {
        name: np.bincount(np.minimum(side // width, BINS - 1), minlength=BINS).tolist() for name, side in sides.items()
    }
    return {"kind": "histogram", "x": "tokens", "width": width, "series": series}


def _dropped(survey: Survey, lengths: Lengths, limit: int) -> None:
    rows = sorted([*lengths.empty, *lengths.identical])
    if not rows:
        return
    survey.found.add(
        "cut_away",
        f"Cut at {limit:,} tokens, {counted(len(lengths.empty), 'pair has', 'pairs have')} no room for an answer and "
        f"{counted(len(lengths.identical), 'pair has', 'pairs have')} equal answers.",
        harms=harms(
            Level.ERROR if len(rows) > LOST * survey.pairs else Level.WARNING,
            dpo="Nothing is left to prefer; runs drop these pairs and train on fewer than the version holds.",
            cpo="Nothing is left to prefer; runs drop these pairs and train on fewer than the version holds.",
            rlhf="The reward model drops these pairs, and their prompts may leave no room to answer in.",
        ),
        action="Raise the longest text of the run, or leave these rows out.",
        threshold=f"A warning from the first such pair on, an error above {LOST:.0%} of the pairs, a heuristic.",
        actions=("drop",),
        count=len(rows),
        total=survey.pairs,
        rows=rows,
    )
