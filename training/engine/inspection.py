"""A look at how a reference, a policy or a reward model (inspected.py) ranks the pairs of a version; trains nothing.

Besides the pairs it scores answers that the data does not hold: the base's own samples, of which the best of n is
taken (Gao et al., arXiv 2210.10760), and answers that were spoilt on purpose. training/inspections makes the figures.

Left out: checkpoints. It is one pass over a few thousand pairs, and the reference's log-probabilities are cached.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.config import InspectionConfig
from training.engine import artifacts
from training.engine.data import Examples, Messages, Template, load_examples
from training.engine.inspected import Subject, score_all, subject_of
from training.engine.loop import seed_step
from training.engine.packing import Example
from training.engine.policy import Policy, load_policy
from training.engine.rollouts import sample
from training.engine.run import Run
from training.inspections.measure import Beyond, Scored, best_of_curve, disagreement, share, spread, summarise
from training.inspections.slices import Facts, slices_of
from training.inspections.summary import FOLDER, PAIRS, SUMMARY, BestOf, Kind, Oddity, Picked, Summary

SAMPLING = "sampling from the base"

ODD_PAIRS = 64
"""Pairs whose answers are spoilt: a share of 20 % is then known to 10 points."""

SHOWN_PICKS = 4


@dataclass(frozen=True)
class Source:
    """A pair as the sealed file holds it."""

    example: Example
    prompt: Messages
    chosen: str
    rejected: str
    split: str
    extra: dict[str, Any]


def train(run: Run) -> None:
    """Inspect, then write RUN_DIR/inspection and result.json; raises EngineError or Stopped."""
    config = run.spec.config
    assert isinstance(config, InspectionConfig)
    base = load_policy(run.spec.model_path, config)
    examples = load_examples(run, base, paired=True)
    pairs = chosen_pairs(examples, config.rows)
    run.started(base, examples, 0, None)
    sources = _sources(run, pairs)
    subject = subject_of(run, base, pairs)
    scored = _scored(sources, subject)
    beyond = Beyond() if subject.kind is Kind.REFERENCE else _beyond(run, base, subject, sources, config)
    run.stage("measuring")
    summary = summarise(subject.kind, scored, beta=subject.beta, logit_scale=subject.logit_scale, beyond=beyond)
    _write(run, scored, summary)


def chosen_pairs(examples: Examples, most: int) -> list[Example]:
    """Held-out pairs first, then training pairs, each spread over the version."""
    held_out = spread(examples.held_out, most)
    return held_out + spread(examples.train, most - len(held_out))


def _sources(run: Run, pairs: list[Example]) -> list[Source]:
    columns = ["row", "prompt", "chosen", "rejected", "split", "extra"]
    table = pq.read_table(run.spec.data_path, columns=columns, filters=[("row", "in", {pair.row for pair in pairs})])
    rows = {row["row"]: row for row in table.to_pylist()}
    return [_source(pair, rows[pair.row]) for pair in pairs]


def _source(pair: Example, row: dict[str, Any]) -> Source:
    chosen, rejected = ("\n".join(turn["content"] for turn in row[side]) for side in ("chosen", "rejected"))
    return Source(pair, row["prompt"], chosen, rejected, row["split"], json.loads(row["extra"]))


def _scored(sources: list[Source], subject: Subject) -> list[Scored]:
    """The pairs with their scores and facts."""
    per_token, policy = ([None] * len(sources) if gap is None else gap.tolist() for gap in subject.pairs.gaps)
    values = zip(sources, subject.pairs.scores.tolist(), per_token, policy, strict=True)
    return [
        Scored(_facts(source), source.chosen, source.rejected, source.example.label, *scores, *gaps)
        for source, scores, *gaps in values
    ]


def _facts(source: Source) -> Facts:
    chosen, rejected = source.example.answers
    return Facts(source.example.row, source.split, len(chosen), len(rejected), len(source.prompt), source.extra)


# --- Answers that the data does not hold ----------------------------------------------------------------------------


def _beyond(run: Run, base: Policy, subject: Subject, sources: list[Source], config: InspectionConfig) -> Beyond:
    best_of, picked = _best_of(run, base, subject, sources, config) if config.best_of_prompts else ((), ())
    members = subject.pairs.members
    rows = [source.example.row for source in sources]
    return Beyond(
        best_of=best_of,
        picked=picked,
        oddities=_oddities(run, base, subject, sources[:ODD_PAIRS], config),
        disagreement=None if members is None else disagreement(rows, members[0].numpy(), members[1].numpy()),
    )


def _best_of(
    run: Run, base: Policy, subject: Subject, sources: list[Source], config: InspectionConfig
) -> tuple[tuple[BestOf, ...], tuple[Picked, ...]]:
    """The scores of the base's own answers to the first different prompts that leave room for one."""
    prompts = {s.example.prompt: s.prompt for s in sources}
    room = base.context_length - config.max_new_tokens
    usable = [prompt for prompt in prompts if len(prompt) <= room][: config.best_of_prompts]
    if not usable:
        run.events.notice("No prompt leaves room for a sampled answer, so best of n was left out.", level="warning")
        return (), ()
    groups = _sample(run, base, usable, config)
    scores = score_all(run, base, groups, subject.score).view(len(groups), config.best_of).double().numpy()
    picked = []
    for group, values in list(zip(groups, scores, strict=True))[:SHOWN_PICKS]:
        best, worst = int(values.argmax()), int(values.argmin())
        texts = [base.tokenizer.decode(group.answers[i], skip_special_tokens=True).strip() for i in (best, worst)]
        question = prompts[group.prompt][-1]["content"]
        picked.append(Picked(question, texts[0], float(values[best]), texts[1], float(values[worst])))
    return best_of_curve(scores), tuple(picked)


def _sample(run: Run, base: Policy, prompts: list[tuple[int, ...]], config: InspectionConfig) -> list[Example]:
    """`best_of` answers of the base to each prompt, at temperature 1."""
    seed_step(config.seed, 0)
    longest = [Example(prompt, ((0,) * config.max_new_tokens,) * config.best_of) for prompt in prompts]
    groups: dict[int, Example] = {}
    for part in run.watched(SAMPLING, base.passes(longest, config.tokens_per_pass)):
        chosen = [prompts[i] for i in part]
        answers = sample(base, chosen, count=config.best_of, max_new_tokens=config.max_new_tokens, temperature=1.0)
        for i, group in zip(part, answers, strict=True):
            groups[i] = Example(prompts[i], tuple(answer.tokens for answer in group))
    return [groups[i] for i in range(len(prompts))]


Spoil = Callable[[str, random.Random, str], str]
"""(chosen answer, source of chance, another prompt's answer) -> an answer that nobody wants."""

SPOILS: dict[str, Spoil] = {
    "empty answers": lambda text, chance, other: "",
    "answers repeated three times": lambda text, chance, other: " ".join([text] * 3),
    "answers in shuffled words": lambda text, chance, other: _shuffled(text, chance),
    "answers to another question": lambda text, chance, other: other,
}


def _shuffled(text: str, chance: random.Random) -> str:
    words = text.split()
    return " ".join(chance.sample(words, len(words)))


def _oddities(
    run: Run, base: Policy, subject: Subject, sources: list[Source], config: InspectionConfig
) -> tuple[Oddity, ...]:
    """How spoilt answers score against the chosen ones they were made from."""
    chance = random.Random(config.seed)
    others = [source.chosen for source in [*sources[1:], sources[0]]]
    found = []
    for name, spoil in SPOILS.items():
        texts = [spoil(s.chosen, chance, other) for s, other in zip(sources, others, strict=True)]
        # An answer of one word cannot be shuffled, and the next question may have the same answer.
        differing = [(s, text) for s, text in zip(sources, texts, strict=True) if text != s.chosen]
        if differing:
            found.append(_oddity(run, base, subject, name, differing, config))
    return tuple(found)


def _oddity(
    run: Run, base: Policy, subject: Subject, name: str, spoilt: list[tuple[Source, str]], config: InspectionConfig
) -> Oddity:
    messages = [[{"role": "assistant", "content": text}] for _, text in spoilt]
    prompts, answers = Template(base.tokenizer).encode([source.prompt for source, _ in spoilt], messages)
    limit = min(config.max_length, base.context_length)
    pairs = [
        Example(prompt, (answer[: limit - len(prompt)], source.example.answers[0]))
        for prompt, answer, (source, _) in zip(prompts, answers, spoilt, strict=True)
    ]
    scores = score_all(run, base, pairs, subject.score).view(-1, 2)
    beats = share((scores[:, 0] > scores[:, 1]).float().tolist())
    highest = int((scores[:, 0] - scores[:, 1]).argmax())
    return Oddity(name, float(scores[:, 0].mean()), beats, spoilt[highest][1])


# --- What is left behind --------------------------------------------------------------------------------------------


def _write(run: Run, scored: list[Scored], summary: Summary) -> None:
    """pairs.parquet, then summary.json, then result.json, then the `finished` event."""
    folder = run.folder / FOLDER
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(_columns(scored)), folder / PAIRS, compression="zstd")
    artifacts.write_atomically(folder / SUMMARY, summary.to_json())
    result = {
        "run_id": run.spec.run_id,
        "attempt": run.spec.attempt,
        "makes": run.spec.config.method.makes,
        "step": 0,
        "train_seconds": round(run.lap(), 3),
        "tokens": sum(p.facts.chosen_tokens + p.facts.rejected_tokens for p in scored),
        "peak_memory_bytes": artifacts.peak_memory(),
        "metrics": _metrics(summary),
    }
    artifacts.write_atomically(run.folder / "result.json", json.dumps(result, indent=1))
    run.events.emit("finished")


def _columns(scored: list[Scored]) -> list[dict[str, Any]]:
    keys = slices_of([pair.facts for pair in scored])
    return [
        {
            "row": pair.facts.row,
            "split": pair.facts.split,
            "chosen_score": pair.chosen_score,
            "rejected_score": pair.rejected_score,
            "gap": pair.gap,
            "chosen_tokens": pair.facts.chosen_tokens,
            "rejected_tokens": pair.facts.rejected_tokens,
            "label": pair.label,
            "correct": pair.right,
            "slices": list(own),
        }
        for pair, own in zip(scored, keys, strict=True)
    ]


def _metrics(summary: Summary) -> dict[str, float]:
    held_out = summary.slice("split:held_out")
    values = {
        "inspection/accuracy": summary.accuracy.value,
        "inspection/held_out_accuracy": held_out.accuracy.value if held_out else None,
        "inspection/calibration_error": None if summary.kind is Kind.REFERENCE else summary.calibration.error,
        "inspection/length_correlation": summary.length.correlation,
    }
    return {name: value for name, value in values.items() if value is not None}
