"""Words and forms by which a model ranks answers, beside how the labels rank by them.

Only pairs count in which one answer has the trait and the other has not, so the prompt is held fixed. Of n such pairs
the model prefers the answer with the trait in k; without a liking k is Binomial(n, 1/2). Its sign test by the normal
approximation with continuity correction gives a p-value, and Benjamini and Hochberg (1995) keep the share of false
findings among what is shown below FALSE_DISCOVERIES. A trait goes with others, so what is listed is a lead to look at.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

FALSE_DISCOVERIES = 0.05
FEWEST_PAIRS = 10
MOST_SHOWN = 12
MOST_ROWS = 8
LONGEST_NGRAM = 3
ECHO = 0.8
"""Share of common answers from which on two traits are one: a set phrase makes a trait of each of its words."""
MOST_WORDS = 400
"""Words of an answer that are looked at: a trait that begins later is rarely what a score hangs on."""

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
FORMS = {
    "a list": re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE),
    "a heading": re.compile(r"^#{1,6}\s", re.MULTILINE),
    "bold text": re.compile(r"\*\*[^*]+\*\*"),
    "code": re.compile(r"`[^`]+`"),
    "an exclamation mark": re.compile(r"!"),
    "a question": re.compile(r"\?"),
    "a number": re.compile(r"\d"),
    "a link": re.compile(r"https?://"),
    "several paragraphs": re.compile(r"\n\s*\n"),
}


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait with what the model and the labels make of it; `rows` show it, those first where the model errs."""

    kind: str  # "opening", "words" or "form"
    text: str
    pairs: int
    liked: int  # pairs in which the model prefers the answer with the trait
    labelled: int  # pairs in which the labels do
    log_odds: float
    p_value: float
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair as a model ranks it: positive `gap` prefers the chosen answer."""

    row: int
    chosen: str
    rejected: str
    gap: float


def traits_of(text: str) -> frozenset[tuple[str, str]]:
    """Every (kind, text) that an answer has."""
    words = [word.lower() for word in WORD.findall(text)[:MOST_WORDS]]
    found = {("form", name) for name, pattern in FORMS.items() if pattern.search(text)}
    for n in range(1, LONGEST_NGRAM + 1):
        found |= {("words", " ".join(words[i : i + n])) for i in range(len(words) - n + 1)}
        found |= {("opening", " ".join(words[:n]))} if len(words) >= n else set()
    return frozenset(found)


def likings(pairs: Sequence[Judged]) -> tuple[list[Trait], list[Trait]]:
    """What the model loves and what it hates, the surest first."""
    sides = {key: of_trait for key, of_trait in _sides(pairs).items() if len(of_trait) >= FEWEST_PAIRS}
    found = _significant([_trait(key, of_trait) for key, of_trait in sides.items()])
    loved = [trait for trait in found if trait.log_odds > 0]
    hated = [trait for trait in found if trait.log_odds < 0]
    return _without_echoes(loved, sides), _without_echoes(hated, sides)


Side = tuple[int, bool, bool]
"""Row, whether the chosen answer has the trait, whether the model prefers the answer that has it."""

Sides = Mapping[tuple[str, str], Sequence[Side]]


def _sides(pairs: Iterable[Judged]) -> dict[tuple[str, str], list[Side]]:
    sides: dict[tuple[str, str], list[Side]] = defaultdict(list)
    for pair in pairs:
        if pair.gap == 0:
            continue
        chosen, rejected = traits_of(pair.chosen), traits_of(pair.rejected)
        for key in chosen - rejected:
            sides[key].append((pair.row, True, pair.gap > 0))
        for key in rejected - chosen:
            sides[key].append((pair.row, False, pair.gap < 0))
    return sides


def _trait(key: tuple[str, str], sides: Sequence[Side]) -> Trait:
    total = len(sides)
    liked = sum(prefers for _, _, prefers in sides)
    labelled = sum(chosen for _, chosen, _ in sides)
    log_odds = math.log((liked + 0.5) / (total - liked + 0.5))
    # Where the model follows the trait against the labels, the trait is the suspect.
    following = sorted(sides, key=lambda side: (side[2] != (log_odds > 0), side[1] == side[2]))
    rows = tuple(row for row, _, _ in following[:MOST_ROWS])
    return Trait(*key, total, liked, labelled, log_odds, sign_test(liked, total), rows)


def sign_test(successes: int, total: int) -> float:
    """Two-sided p-value of Binomial(total, 1/2), normal approximation with continuity correction."""
    distance = max(0.0, abs(successes - total / 2) - 0.5)
    return math.erfc(distance / math.sqrt(total / 4) / math.sqrt(2))


def _significant(traits: Sequence[Trait]) -> list[Trait]:
    """Those that Benjamini and Hochberg's procedure keeps: the k smallest p-values with p_k <= k q / m."""
    ordered = sorted(traits, key=lambda trait: (trait.p_value, -trait.pairs, -len(trait.text), trait.kind, trait.text))
    passing = [k for k, trait in enumerate(ordered, 1) if trait.p_value <= k * FALSE_DISCOVERIES / len(ordered)]
    return ordered[: max(passing, default=0)]


def _without_echoes(traits: Sequence[Trait], sides: Sides) -> list[Trait]:
    """At most MOST_SHOWN; a trait of nearly the same answers as one already listed tells nothing new."""
    shown: list[Trait] = []
    answers: list[set[tuple[int, bool]]] = []
    for trait in traits:
        own = {(row, chosen) for row, chosen, _ in sides[trait.kind, trait.text]}
        if all(len(own & other) < ECHO * len(own | other) for other in answers):
            shown.append(trait)
            answers.append(own)
        if len(shown) == MOST_SHOWN:
            break
    return shown
