"""What raters must not see: answers that give their policy away, and pairs in which there is nothing to judge.

An item is set aside with a reason, never dropped: the study's page shows it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from training.config import Method
from training.models import Policy

from .design import CutOff
from .models import Answer, Prompt
from .sampling import CUT_OFF, REFUSED
from .self_naming import ABOUT_FAILURES, SELF_NAMING, WHO_ARE_YOU, failure_in

MOST_LETTERS = 200  # of Item.quarantine

# Acronyms as such: "dpo" in small letters or inside a word is no method.
METHOD_NAME = re.compile(r"\b(?:" + "|".join(method.value.upper() for method in Method) + r")\b")
MARKER = re.compile(r"<\|[^|<>]{1,40}\|>|</?s>|\[/?INST\]|<(?:unk|pad|end)>")
IDENTICAL = "Identical answers"


@dataclass(frozen=True)
class Blinding:
    """The words that would tell raters of one study who wrote an answer."""

    names: re.Pattern[str] | None

    @classmethod
    def of(cls, policies: Iterable[Policy], prompts: Sequence[Prompt]) -> Blinding:
        """Names of the policies and their runs; one that the prompts use themselves is a topic and no secret."""
        topics = "\n".join(message["content"] for prompt in prompts for message in prompt.messages).casefold()
        names = {name for policy in policies for name in names_of(policy) if name.casefold() not in topics}
        if not names:
            return cls(None)
        words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        return cls(re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE))

    def betrayal(self, text: str) -> str:
        """What in the text tells who wrote it, or nothing."""
        if self.names and (found := self.names.search(text)):
            return f"names a policy or run ('{found.group()}')"
        if found := METHOD_NAME.search(text):
            return f"names a method ('{found.group()}')"
        if found := SELF_NAMING.search(text):
            return f"speaks of itself as a model ('{found.group()}')"
        if found := MARKER.search(text):
            return f"holds an unfinished marker ('{found.group()}')"
        return ""


def names_of(policy: Policy) -> set[str]:
    """Names under which a policy is known here, as far as they are no ordinary words.

    A single plain word ("base", "islands") may stand in any answer; a name of several words or with digits, hyphens or
    underscores does not get there by chance.
    """
    known = {policy.name, policy.served_name} | ({policy.run.name} if policy.run else set())
    return {name for name in known if len(name) > 3 and not name.isalpha()}


@dataclass(frozen=True, slots=True)
class Look:
    """What decides whether an answer may be shown.

    Its own flaw; the message of a broken program in it, which is a flaw unless the prompt is about such; whether it is
    cut off; a digest of what is seen.
    """

    flaw: str
    failure: str
    cut_off: bool
    digest: bytes

    @classmethod
    def at(cls, answer: Answer, blinding: Blinding) -> Look:
        digest = hashlib.blake2b(plain(answer.text).encode(), digest_size=16).digest()
        return cls(flaw_of(answer, blinding), failure_in(answer.text), answer.finish_reason == CUT_OFF, digest)


def flaw_of(answer: Answer, blinding: Blinding) -> str:
    """Why raters must not see this answer beside whatever other; empty: they may."""
    if answer.finish_reason == REFUSED:
        return f"No answer: {answer.error}"[:MOST_LETTERS]
    if not answer.text.strip():
        return "Empty answer"
    betrayal = blinding.betrayal(answer.text)
    return f"An answer {betrayal}"[:MOST_LETTERS] if betrayal else ""


def flaw_of_pair(prompt: Prompt, one: Look, other: Look, cut_off: CutOff) -> str:
    """Why raters must not see these two answers to the prompt, in a few words; empty: they may."""
    if flaw := one.flaw or other.flaw:
        return flaw
    if one.digest == other.digest:
        return IDENTICAL
    asked = prompt.messages[-1]["content"]
    if WHO_ARE_YOU.search(asked):
        return "The prompt asks who answers"
    if (failure := one.failure or other.failure) and not ABOUT_FAILURES.search(asked):
        return f"An answer is the message of a broken program ('{failure}')"[:MOST_LETTERS]
    cut = one.cut_off + other.cut_off
    if cut and (cut_off == CutOff.ANY or (cut == 1 and cut_off == CutOff.UNLIKE)):
        return "Both answers are cut off" if cut == 2 else "One answer is cut off"
    return ""


def reason_to_withhold(
    prompt: Prompt, first: Answer, second: Answer, blinding: Blinding, cut_off: CutOff = CutOff.ANY
) -> str:
    """Why raters must not see this pair, in a few words; empty: they may."""
    return flaw_of_pair(prompt, Look.at(first, blinding), Look.at(second, blinding), cut_off)


def plain(text: str) -> str:
    """The text as far as a reader sees it: white space is one blank."""
    return " ".join(text.split())
