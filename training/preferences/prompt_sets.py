"""Named lists of prompts that a report compares a version with: suites, and samples of production prompts.

Suites belong to comparisons, which this app must not import: comparisons registers them when it is loaded.
A key is "<kind>:<name>", such as "suite:demo-adversarial" or "sample:7".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from training.preferences.records import Conversation


@dataclass(frozen=True, slots=True)
class PromptSet:
    """A list of prompts that can be chosen in a form."""

    key: str
    label: str
    size: int
    url: str = ""
    digest: str = ""
    """SHA-256 of its prompts in order: a set of the same key may come to hold others."""


class Provider(Protocol):
    """Where the prompt sets of one kind come from."""

    def all(self) -> list[PromptSet]:
        """Every set of the kind, in the order in which people should see them."""

    def prompts(self, name: str) -> Iterator[Conversation]:
        """The prompts of the set with this name; raises KeyError when there is none."""


_providers: dict[str, Provider] = {}


def register(kind: str, provider: Provider) -> None:
    """Let `provider` answer for keys that begin with `kind`."""
    _providers[kind] = provider


def available() -> list[PromptSet]:
    """Every prompt set of every kind."""
    return [found for provider in _providers.values() for found in provider.all()]


def prompts(key: str) -> Iterator[Conversation]:
    """The prompts of a set; raises KeyError when there is none of this key."""
    kind, _, name = key.partition(":")
    return _providers[kind].prompts(name)
