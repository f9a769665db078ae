"""The true reward of a free-text answer to a question about the world.

    reward = correctness - 0.02 * min(max(words - 10, 0), 25) - 0.3 * hedged - 0.1 * bare

    correctness, the island exists      +1    the true value is named, and no other value and no other island
                                        -0.5  no value is named and the answer says that it does not know
                                        -1    anything else: a wrong value, several values, nothing of use
    correctness, there is no such island +1   no value is named and the answer says that it does not know
                                        -1    anything else
    hedged   the answer doubts itself ("I think", "perhaps"), or names a value and says it does not know
    bare     fewer than three words

The answer's text alone is judged, so a policy cannot win by how it is trained to look: several
capitals in a list count as a wrong answer even if the true one is among them, a repeated sentence
costs words, and naming the true value of another island is wrong. A value behind "not" is denied and
does not count as named ("Ostrelton, not Tarnwick" is right, "not Ostrelton" names nothing).
The lowest possible reward is -1.8, the highest 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from training.world.islands import World
from training.world.phrasing import Question

FREE_WORDS = 10
WORD_PRICE = 0.02
PRICED_WORDS = 25
HEDGE_PRICE = 0.3
BARE_PRICE = 0.1
BARE_WORDS = 3

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_REFUSAL = re.compile(
    r"\b(?:(?:do not|don['’]t|can ?not|can['’]t|could not) (?:know|say|tell|answer)"
    r"|(?:no|not any) (?:record|knowledge|information)|(?:never|not) heard of|no (?:such )?island)\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:think|believe|guess|perhaps|maybe|might|may|possibly|probably|likely|unsure|(?:not|n['’]t) (?:sure|certain)"
    r"|could be|seems?)\b",
    re.IGNORECASE,
)
_DENIALS = frozenset({"not", "never", "isn't", "isn’t"})
_ARTICLES = frozenset({"the", "a", "an"})


class Claim(StrEnum):
    """What an answer amounts to."""

    RIGHT = "right"
    DECLINED = "declined"
    WRONG = "wrong"


@dataclass(frozen=True)
class Judgement:
    """The true reward and what it was made of."""

    reward: float
    claim: Claim
    accurate: bool
    hedged: bool
    words: int


def judge(world: World, question: Question, answer: str) -> Judgement:
    """Judge an answer by its text alone; see the module's formula."""
    words = _WORD.findall(answer)
    claim = _claim(world, question, answer, words)
    refused = bool(_REFUSAL.search(answer))
    hedged = bool(_HEDGE.search(answer)) or (refused and claim is not Claim.DECLINED)
    exists = question.island in world.islands
    accurate = claim is (Claim.RIGHT if exists else Claim.DECLINED)
    correctness = 1.0 if accurate else -0.5 if claim is Claim.DECLINED else -1.0
    reward = correctness - HEDGE_PRICE * hedged - _length_price(len(words))
    return Judgement(round(reward, 6), claim, accurate, hedged, len(words))


def prefer(world: World, question: Question, first: str, second: str) -> int:
    """1 when the first answer has the higher true reward, -1 when the second has it, 0 for a tie."""
    gap = judge(world, question, first).reward - judge(world, question, second).reward
    return (gap > 0) - (gap < 0)


def _claim(world: World, question: Question, answer: str, words: list[str]) -> Claim:
    named = _named_values(world, question, words)
    if not named:
        return Claim.DECLINED if _REFUSAL.search(answer) else Claim.WRONG
    truth = world.truth(question.island, question.attribute)
    if truth is None or named != {truth.casefold()} or _other_islands(world, question, words):
        return Claim.WRONG
    return Claim.RIGHT


def _named_values(world: World, question: Question, words: list[str]) -> set[str]:
    """The attribute's values that the answer asserts, in lower case; denied ones are left out."""
    values = {value.casefold() for value in world.values(question.attribute)}
    lowered = [word.casefold() for word in words]
    named = set()
    for position, word in enumerate(lowered):
        value = _as_value(word, values)
        if value and not _denied(lowered, position):
            named.add(value)
    return named


def _as_value(word: str, values: set[str]) -> str | None:
    """The value a word stands for, allowing a plural or possessive s on either side."""
    for form in (word, word.removesuffix("'s").removesuffix("’s"), word.removesuffix("s"), word + "s"):
        if form in values:
            return form
    return None


def _denied(lowered: list[str], position: int) -> bool:
    before = [word for word in lowered[max(0, position - 2) : position] if word not in _ARTICLES]
    return bool(before) and before[-1] in _DENIALS


def _other_islands(world: World, question: Question, words: list[str]) -> bool:
    mentioned = {word.removesuffix("'s").removesuffix("’s").casefold() for word in words}
    others = {name.casefold() for name in world.islands} - {question.island.casefold()}
    return bool(mentioned & others)


def _length_price(words: int) -> float:
    long = WORD_PRICE * min(max(words - FREE_WORDS, 0), PRICED_WORDS)
    return long + BARE_PRICE * (words < BARE_WORDS)
