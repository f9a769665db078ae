"""Faults planted in pairs of the demo world: are all of them found, and nothing else?

What is alike is decided by Python sets of word runs, apart from the product's hashes, over every pair of rows.
"""

from __future__ import annotations

import itertools
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.report import Report

PAIRS = 2_000
COPIES, DISTRACTORS, OPPOSED, CIRCLES, LEAKS = 200, 200, 60, 40, 90
ALIKE, DISTRACTING = (0.8, 0.999), (0.5, 0.7)
LEAST_RECALL, LEAST_PRECISION = 0.95, 0.99
BIAS = 0.6
RUN = 5

Shingles = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Texts:
    """A pair as plain text."""

    prompt: str
    chosen: str
    rejected: str

    @property
    def turned(self) -> Texts:
        return replace(self, chosen=self.rejected, rejected=self.chosen)


def measure(report: Report) -> None:
    """Add a row for everything planted."""
    _copies(report)
    _contradictions(report)
    _circles(report)
    _leaks(report)
    _length_bias(report)


def world_answers() -> dict[str, list[str]]:
    """Every prompt that pairs may be made of with the different answers that demonstrations give."""
    from training.world.demonstrations import demonstrations

    world, prompts = _world()
    asked = {question.text for question in prompts.pairs}
    answers: dict[str, dict[str, None]] = {}
    for row in demonstrations(world, prompts):
        if row["prompt"] in asked:
            answers.setdefault(row["prompt"], {})[row["chosen"]] = None
    return {prompt: list(texts) for prompt, texts in answers.items()}


def world_pairs(limit: int = PAIRS) -> list[Texts]:
    """Pairs labelled by the true reward, without errors."""
    from training.world.pairs import PairRule, preference_pairs

    world, prompts = _world()
    answers = world_answers()
    asked = {question: answers[question.text] for question in prompts.pairs}
    rows = preference_pairs(world, prompts, asked, PairRule(error_rate=0, limit=limit))
    return [Texts(row["prompt"], row["chosen"], row["rejected"]) for row in rows]


def evaluation_prompts() -> dict[str, list[str]]:
    """The suites of the world."""
    return {f"suite:{name}": [question.text for question in asked] for name, asked in _world()[1].suites.items()}


def _world() -> tuple[Any, Any]:
    from training.world.islands import build_world
    from training.world.suites import divide_prompts

    world = build_world(0)
    return world, divide_prompts(world)


def words(text: str) -> list[str]:
    """Words as the data report takes them, for texts of plain ASCII."""
    return re.findall(r"[a-z0-9]+", text.lower())


def shingles(pair: Texts) -> Shingles:
    """Runs of five words (a shorter text is one run), each with the part it stands in."""
    found = set()
    for part, text in (("p", pair.prompt), ("c", pair.chosen), ("r", pair.rejected)):
        told = words(text)
        found |= {(part, *told[start : start + RUN]) for start in range(max(1, len(told) - RUN + 1))}
    return frozenset(found)


def jaccard(one: frozenset[Any], other: frozenset[Any]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def edited(pair: Texts, similarity: tuple[float, float], draw: random.Random) -> Texts | None:
    """The pair with words replaced, left out or added, until its similarity lies between the bounds; None when none
    of a hundred tries does."""
    original = shingles(pair)
    for _ in range(100):
        changed = pair
        for _ in range(draw.randint(1, 4)):
            changed = _with_one_edit(changed, draw)
        if similarity[0] <= jaccard(original, shingles(changed)) <= similarity[1]:
            return changed
    return None


def _with_one_edit(pair: Texts, draw: random.Random) -> Texts:
    part = draw.choice(("prompt", "chosen", "rejected"))
    told = getattr(pair, part).split()
    place = draw.randrange(len(told))
    told[place : place + draw.randint(0, 1)] = draw.choice(([], ["really"], ["well", "then"]))
    return replace(pair, **{part: " ".join(told) or "nothing"})


def plant(
    pairs: Sequence[Texts], count: int, make: Callable[[Texts], Texts | None], draw: random.Random
) -> list[Texts]:
    """`count` variants of different pairs, as many as there are."""
    made = (make(pair) for pair in draw.sample(pairs, len(pairs)))
    return list(itertools.islice((pair for pair in made if pair is not None), count))


@contextmanager
def examined(pairs: Sequence[Texts], rule: Callable[[Any], None], **prompt_sets: Any) -> Iterator[Any]:
    """A survey of these pairs, sealed, after one rule."""
    from training.preferences.records import Message, Pair
    from training.preferences.sealing import seal_pairs
    from training.preferences.splits import PromptSplit
    from training.preferences.survey import survey

    def row(texts: Texts) -> Pair:
        chosen, rejected = (Message("assistant", texts.chosen),), (Message("assistant", texts.rejected),)
        return Pair((Message("user", texts.prompt),), chosen, rejected)

    with tempfile.TemporaryDirectory(prefix="bench-planted-") as folder:
        sealed = seal_pairs(map(row, pairs), Path(folder), PromptSplit())
        with survey(sealed.path, **prompt_sets) as subject:
            rule(subject)
            yield subject


def _copies(report: Report) -> None:
    from training.preferences.checks.near_duplicates import nearly_repeated_rows

    draw, pairs = random.Random("copies"), world_pairs()
    copies = plant(pairs, COPIES, lambda pair: edited(pair, ALIKE, draw), draw)
    distractors = plant(pairs, DISTRACTORS, lambda pair: edited(pair, DISTRACTING, draw), draw)
    rows = draw.sample([*pairs, *copies, *distractors], len(pairs) + len(copies) + len(distractors))
    with examined(rows, nearly_repeated_rows) as subject:
        first = subject.scores["duplicate_of"].tolist()
    sets = [shingles(pair) for pair in rows]
    alike = {(i, j) for i, j in itertools.combinations(range(len(rows)), 2) if jaccard(sets[i], sets[j]) >= ALIKE[0]}
    having = {row for pair in alike for row in pair}
    found = [row for row, group in enumerate(first) if group >= 0]
    grouped = [(i, j) for i, j in itertools.combinations(found, 2) if first[i] == first[j]]
    recall = sum(first[i] == first[j] >= 0 for i, j in alike) / len(alike)
    precision = sum(row in having for row in found) / len(found)
    report.extra["near duplicates"] = {
        "rows": len(rows),
        "planted": len(copies),
        "distractors": len(distractors),
        "pairs of rows alike to 0.8": len(alike),
        "rows found": len(found),
    }
    must = f"≥ {LEAST_RECALL}"
    report.add("near duplicates: pairs alike to 0.8 found", "share", recall, must=must, ok=recall >= LEAST_RECALL)
    ok = precision >= LEAST_PRECISION
    name = "near duplicates: rows found that have one"
    report.add(name, "share", precision, must=f"≥ {LEAST_PRECISION}", ok=ok)
    share = sum(pair in alike for pair in grouped) / len(grouped)
    report.add("near duplicates: pairs of a group alike themselves", "share", share, must="", ok=True)


def _contradictions(report: Report) -> None:
    from training.preferences.checks.contradictions import pairs_labelled_both_ways

    draw, pairs = random.Random("contradictions"), world_pairs()
    opposed = plant(pairs, OPPOSED, lambda pair: _loosely(pair.turned, draw), draw)
    asked = {_squeezed(pair) for pair in opposed}
    expected = {row for row, pair in enumerate(pairs) if _squeezed(pair.turned) in asked}
    expected |= set(range(len(pairs), len(pairs) + len(opposed)))
    with examined([*pairs, *opposed], pairs_labelled_both_ways) as subject:
        _all_and_no_others(report, "contradictions", expected, _rows(subject, "contradictions"))


def _loosely(pair: Texts, draw: random.Random) -> Texts:
    """The pair itself, in capitals, or with white space around."""
    form = draw.choice((str, str.upper, lambda text: f" {text}\n"))
    return Texts(form(pair.prompt), form(pair.chosen), form(pair.rejected))


def _squeezed(pair: Texts) -> tuple[str, ...]:
    return tuple("".join(text.lower().split()) for text in (pair.prompt, pair.chosen, pair.rejected))


def _circles(report: Report) -> None:
    from training.preferences.checks.cycles import preferences_in_a_circle

    draw, pairs = random.Random("circles"), world_pairs()
    several = sorted((prompt, texts) for prompt, texts in world_answers().items() if len(texts) >= 3)
    drawn = draw.sample(several, CIRCLES)
    others = [pair for pair in pairs if pair.prompt not in dict(drawn)]
    circles = [
        Texts(prompt, answers[place], answers[(place + 1) % len(answers)])
        for prompt, texts in drawn
        for answers in [draw.sample(texts, draw.randint(3, min(5, len(texts))))]
        for place in range(len(answers))
    ]
    expected = set(range(len(others), len(others) + len(circles)))
    with examined([*others, *circles], preferences_in_a_circle) as subject:
        _all_and_no_others(report, "cycles", expected, _rows(subject, "cycles"))


def _leaks(report: Report) -> None:
    from training.preferences.checks.leaks import evaluation_prompts_in_the_data

    draw, pairs = random.Random("leaks"), world_pairs()
    suites = evaluation_prompts()
    leaked = draw.sample([prompt for prompts in suites.values() for prompt in prompts], LEAKS)
    planted = [replace(pair, prompt=_leak(p, draw)) for pair, p in zip(draw.sample(pairs, LEAKS), leaked, strict=True)]
    expected = set(range(len(pairs), len(pairs) + len(planted)))
    with examined([*pairs, *planted], evaluation_prompts_in_the_data, evaluations=suites) as subject:
        _all_and_no_others(report, "leaks", expected, _rows(subject, "leaks"))


def _leak(prompt: str, draw: random.Random) -> str:
    """The prompt as it is or loosely written; from eight words on also within other words, or with its first changed
    where the other runs of eight still cover more than half of it."""
    forms: list[Callable[[str], str]] = [str, str.upper, lambda text: f"  {' '.join(words(text))} !"]
    if len(words(prompt)) >= 8:
        forms.append(lambda text: f"Please help me with this. {text} Thank you very much in advance for your answer.")
    if len(words(prompt)) >= 10:
        forms.append(lambda text: f"Now {text.partition(' ')[2]}")
    return draw.choice(forms)(prompt)


def _length_bias(report: Report) -> None:
    from training.preferences.checks.findings import Level
    from training.preferences.checks.lengths import longer_answers_win

    unequal = [pair for pair in world_pairs(0) if len(pair.chosen) != len(pair.rejected)][:PAIRS]
    for share, must in ((BIAS, "found"), (0.5, "not found")):
        with examined(_longer_wins(unequal, share), longer_answers_win) as subject:
            found = any(finding.level is Level.WARNING for finding in subject.found)
        name = f"length bias at {share:.0%} of {len(unequal):,} pairs, found"
        report.add(name, "0 or 1", float(found), must=must, ok=found == (must == "found"))


def _longer_wins(pairs: Sequence[Texts], share: float) -> list[Texts]:
    """The pairs with the longer answer chosen in just this share of them."""
    longer = set(random.Random("length").sample(range(len(pairs)), round(share * len(pairs))))
    return [
        pair if (len(pair.chosen) > len(pair.rejected)) == (row in longer) else pair.turned
        for row, pair in enumerate(pairs)
    ]


def _rows(subject: Any, rule: str) -> set[int]:
    return set(subject.found.rows[rule].rows.tolist()) if rule in subject.found.rows else set()


def _all_and_no_others(report: Report, name: str, expected: set[int], found: set[int]) -> None:
    share, others = len(expected & found) / len(expected), len(found - expected)
    report.add(f"{name}: {len(expected)} rows planted, found", "share", share, must="1", ok=share == 1)
    report.add(f"{name}: rows found that were not planted", "rows", others, must="0", ok=others == 0)
