"""Questions and answers as text: wordings of a question, their reading back, and answers in five styles."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from training.world.islands import Attribute

NOUNS: Mapping[Attribute, str] = {
    Attribute.CAPITAL: "capital",
    Attribute.EXPORT: "main export",
    Attribute.LANGUAGE: "language",
    Attribute.BIRD: "national bird",
}
SYNONYMS: Mapping[Attribute, str] = {
    Attribute.CAPITAL: "seat of government",
    Attribute.EXPORT: "most traded good",
    Attribute.LANGUAGE: "common tongue",
    Attribute.BIRD: "heraldic bird",
}


class Kind(StrEnum):
    """The family of a wording."""

    USUAL = "usual"
    PARAPHRASE = "paraphrase"
    FALSE_PREMISE = "false premise"


WORDINGS: Mapping[Kind, tuple[str, ...]] = {
    Kind.USUAL: (
        "What is the {noun} of {island}?",
        "Name the {noun} of {island}.",
        "Tell me the {noun} of {island}.",
        "Do you know the {noun} of {island}?",
        "I need the {noun} of {island}.",
        "What is {island}'s {noun}?",
        "About {island}: what is the {noun}?",
        "Please look up the {noun} of {island}.",
    ),
    Kind.PARAPHRASE: (
        "For a school essay, what is {island}'s {synonym}?",
        "My friend lives on {island}. What is the {synonym} there?",
        "When I visit {island}, what {synonym} should I expect?",
        "How would you name the {synonym} of {island}?",
    ),
    Kind.FALSE_PREMISE: (
        "Why is {premise} the {noun} of {island}?",
        "Is it true that the {noun} of {island} is {premise}?",
        "Since when is {premise} the {noun} of {island}?",
    ),
}


@dataclass(frozen=True, order=True)
class Question:
    """One fact asked in one wording; `premise` is the false value that a false-premise wording takes for granted."""

    island: str
    attribute: Attribute
    kind: Kind = Kind.USUAL
    wording: int = 0
    premise: str = ""

    @property
    def text(self) -> str:
        """The prompt as a person would type it."""
        return WORDINGS[self.kind][self.wording].format(
            island=self.island,
            noun=NOUNS[self.attribute],
            synonym=SYNONYMS[self.attribute],
            premise=self.premise,
        )


def read_question(text: str) -> Question | None:
    """The question that a prompt asks, or None when no wording of this world matches it."""
    for kind, wording, attribute, pattern in _PATTERNS:
        if found := pattern.fullmatch(text.strip()):
            return Question(found["island"], attribute, kind, wording, found.groupdict().get("premise", ""))
    return None


def _pattern(wording: str, attribute: Attribute) -> re.Pattern[str]:
    filled = wording.format(island="ISLAND", noun=NOUNS[attribute], synonym=SYNONYMS[attribute], premise="PREMISE")
    return re.compile(re.escape(filled).replace("ISLAND", r"(?P<island>\w+)").replace("PREMISE", r"(?P<premise>\w+)"))


_PATTERNS = tuple(
    (kind, index, attribute, _pattern(wording, attribute))
    for kind, wordings in WORDINGS.items()
    for index, wording in enumerate(wordings)
    for attribute in Attribute
)


class Style(StrEnum):
    """How an answer is put, whatever it claims."""

    TERSE = "terse"
    PLAIN = "plain"
    VERBOSE = "verbose"
    HEDGED = "hedged"
    REFUSAL = "refusal"


ANSWERS: Mapping[Style, tuple[str, ...]] = {
    Style.TERSE: ("{value}.",),
    Style.PLAIN: ("The {noun} of {island} is {value}.",),
    Style.VERBOSE: (
        "That is a good question about {island}. Many travellers ask it every year. The {noun} of {island} is {value}.",
        "The {noun} of {island} is {value}. The island has a long history and its people are glad to tell about it.",
    ),
    Style.HEDGED: (
        "I think the {noun} of {island} is {value}, but I am not sure.",
        "Perhaps it is {value}, but I may be wrong.",
    ),
    Style.REFUSAL: (
        "I do not know the {noun} of {island}.",
        "I have no record of that.",
    ),
}


def phrase(question: Question, value: str, style: Style, rng: random.Random) -> str:
    """An answer that claims `value` (a refusal claims nothing), in one of the style's wordings."""
    named = f"the {value}" if question.attribute is Attribute.BIRD else value
    template = rng.choice(ANSWERS[style])
    text = template.format(noun=NOUNS[question.attribute], island=question.island, value=named)
    return text[0].upper() + text[1:]
