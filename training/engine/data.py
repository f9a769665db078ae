"""Sealed preference rows to tokenised examples, by the tokenizer's own chat template.

The columns are those of docs/ARCHITECTURE.md. An answer's tokens are what the template writes after the prompt, up
to and including the token that ends a turn, so training sees exactly what the server will be asked to produce.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from training.config import RunConfig, TrainingConfig
from training.engine.errors import EngineError
from training.engine.packing import Example
from training.engine.policy import Policy
from training.engine.run import Run

Messages = list[dict[str, str]]

HELD_OUT_ROWS = 256
"""The fixed slice that is looked at during training: +-3 points of standard error on a share."""

MOST_SHOWN = 64

COLUMNS = {"row", "prompt", "chosen", "rejected", "split", "weight", "label", "margin"}


@dataclass(slots=True)
class Examples:
    """The usable rows of a dataset version, and why the others are not."""

    train: list[Example] = field(default_factory=list)
    held_out: list[Example] = field(default_factory=list)
    shown_prompts: list[Messages] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    truncated: int = 0
    doubted: int = 0  # pairs whose label says that the rejected answer is the better one

    def show(self, prompt: Messages) -> None:
        """Keep a held-out prompt for the samples on the run page, once, if there is room."""
        if len(self.shown_prompts) < MOST_SHOWN and prompt not in self.shown_prompts:
            self.shown_prompts.append(prompt)

    def order(self, config: TrainingConfig) -> Order:
        """The order in which the training rows are visited."""
        return Order(len(self.train), config.batch_size, config.epochs, config.max_steps, config.seed)


def load_examples(run: Run, policy: Policy, *, paired: bool) -> Examples:
    """Read, check and tokenise the run's data for a policy; `paired` says whether a rejected answer is needed.

    Reports dropped and cut rows as notices; raises EngineError when the file is not the promised one or no usable
    row is left.
    """
    rows = _read(run.spec.data_path, run.spec.data_sha256)
    rows, unsure = _sure(rows, run.spec.config)
    run.stage("tokenising")
    limit = min(run.spec.config.max_length, policy.context_length)
    examples = _tokenise(rows, Template(policy.tokenizer), limit, paired=paired)
    examples.dropped |= unsure
    _report(run, examples, limit)
    return examples


def _read(path: Path, sha256: str) -> list[dict[str, Any]]:
    if not path.is_file():
        raise EngineError(f"The data file {path} does not exist.", "Queue the run on a dataset version that is sealed.")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise EngineError(
            f"The data file {path} has changed: its SHA-256 is {found}, the run was queued for {sha256}.",
            "Restore the file, or make a new dataset version and queue the run on that.",
        )
    columns = [name for name in pq.read_schema(path).names if name in COLUMNS]
    rows: list[dict[str, Any]] = pq.read_table(path, columns=columns).to_pylist()
    return rows


def _sure(rows: list[dict[str, Any]], config: RunConfig) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The rows without those to train on whose label is below the one asked for, and how many these are."""
    least = config.least_label if isinstance(config, TrainingConfig) else 0.0
    kept = [row for row in rows if row["split"] != "train" or row.get("label", 1.0) >= least]
    return kept, Counter({f"label below {least:g}": len(rows) - len(kept)})


def _tokenise(rows: list[dict[str, Any]], template: Template, limit: int, *, paired: bool) -> Examples:
    examples = Examples()
    if paired:
        complete = [row for row in rows if row["rejected"]]
        examples.dropped["no rejected answer"] = len(rows) - len(complete)
        rows = complete
    prompts, chosen = template.encode([r["prompt"] for r in rows], [r["chosen"] for r in rows])
    answers = [chosen]
    if paired:
        answers.append(template.encode([r["prompt"] for r in rows], [r["rejected"] for r in rows])[1])
    for row, prompt, *full in zip(rows, prompts, *answers, strict=True):
        cut = tuple(answer[: max(0, limit - len(prompt))] for answer in full)
        fault = _fault(cut)
        if fault:
            examples.dropped[fault] += 1
            continue
        examples.truncated += cut != tuple(full)
        example = _example(row, prompt, cut)
        examples.doubted += paired and example.label < 0.5
        if row["split"] == "train":
            examples.train.append(example)
        else:
            examples.held_out.append(example)
            examples.show(row["prompt"])
    return examples


def _example(row: dict[str, Any], prompt: tuple[int, ...], answers: tuple[tuple[int, ...], ...]) -> Example:
    """A version that was sealed without labels is certain of its pairs, one without margins knows none."""
    margin = row.get("margin") or 0.0
    return Example(prompt, answers, row["weight"], row.get("label", 1.0), margin, row["row"])


def _fault(answers: tuple[tuple[int, ...], ...]) -> str | None:
    """Why a row teaches nothing: no room for an answer after its prompt, or nothing that tells its answers apart."""
    if not all(answers):
        return "empty after truncation"
    if len(answers) > len(set(answers)):
        return "identical after truncation"
    return None


def _report(run: Run, examples: Examples, limit: int) -> None:
    total = len(examples.train) + len(examples.held_out) + examples.dropped.total()
    for reason, count in examples.dropped.items():
        if count:
            run.events.notice(f"Dropped {count} of {total} rows: {reason}.", level="warning")
    if examples.truncated:
        run.events.notice(
            f"{examples.truncated} rows are longer than {limit} tokens and lost the end of an answer.", level="warning"
        )
    if examples.doubted:
        run.events.notice(
            f"{examples.doubted} pairs have a label below 0.5: they pull towards their rejected answer, though "
            "all accuracies but a reward model's own count the chosen one as right.",
            level="warning",
        )
    if examples.train or (examples.held_out and not run.spec.config.method.trains):
        return
    use = "trained on" if run.spec.config.method.trains else "ranked"
    raise EngineError(
        f"None of the {total} rows can be {use}: {_in_words(examples.dropped)}.",
        "Raise max_length, or use a dataset version with longer differing answers in its training split.",
    )


def _in_words(dropped: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count) or "all of them are held out"


class Template:
    """A tokenizer's chat template, applied to many conversations at once."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer

    def prompt_text(self, prompts: Sequence[Messages]) -> list[str]:
        """The prompts up to where the assistant's answer begins."""
        if not prompts:
            return []
        texts: list[str] = self._tokenizer.apply_chat_template(
            list(prompts), tokenize=False, add_generation_prompt=True
        )
        return texts

    def prompt_ids(self, prompts: Sequence[Messages]) -> list[tuple[int, ...]]:
        return self._ids(self.prompt_text(prompts))

    def encode(
        self, prompts: Sequence[Messages], answers: Sequence[Messages]
    ) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Token ids of the prompts and, apart, of what the template adds for the answers."""
        before = self.prompt_text(prompts)
        whole = self._rendered([[*p, *a] for p, a in zip(prompts, answers, strict=True)])
        after = [_without_prefix(b, w) for b, w in zip(before, whole, strict=True)]
        return self._ids(before), [self._ended(ids) for ids in self._ids(after)]

    def _rendered(self, conversations: list[Messages]) -> list[str]:
        if not conversations:
            return []
        texts: list[str] = self._tokenizer.apply_chat_template(conversations, tokenize=False)
        return texts

    def _ids(self, texts: list[str]) -> list[tuple[int, ...]]:
        if not texts:
            return []
        return [tuple(ids) for ids in self._tokenizer(texts, add_special_tokens=False)["input_ids"]]

    def _ended(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """Cut what a template writes after the end of the turn, which is never sampled; add an end where none is."""
        end = self._tokenizer.eos_token_id
        if end in ids:
            return ids[: len(ids) - ids[::-1].index(end)]
        return (*ids, end)


def _without_prefix(before: str, whole: str) -> str:
    if not whole.startswith(before):
        raise EngineError(
            "The tokenizer's chat template does not write a conversation as its prompt followed by the answer "
            f"(prompt: {before[-80:]!r}).",
            "Use a chat template whose generation prompt is what it puts before every assistant turn.",
        )
    return whole[len(before) :]


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, rows: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(rows)


@dataclass(frozen=True, slots=True)
class Order:
    """Which rows each step sees: every epoch a fresh shuffle, as a function of the seed and nothing else."""

    rows: int
    batch_size: int
    epochs: float
    max_steps: int
    seed: int

    @property
    def _visits(self) -> int:
        return self.max_steps * self.batch_size if self.max_steps else max(1, round(self.epochs * self.rows))

    @property
    def steps(self) -> int:
        return -(-self._visits // self.batch_size)

    def visited(self) -> list[int]:
        """Row numbers that some step sees, in rising order."""
        if self._visits >= self.rows:
            return list(range(self.rows))
        return sorted(map(int, _permutation(self.seed, 0, self.rows)[: self._visits]))

    def batch(self, step: int) -> list[int]:
        """Row numbers of a step. What does not fill a last batch is spread: sizes differ by one row at most."""
        first, end = (self._visits * edge // self.steps for edge in (step, step + 1))
        visits = range(first, end)
        return [int(_permutation(self.seed, v // self.rows, self.rows)[v % self.rows]) for v in visits]
