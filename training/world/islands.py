"""The islands and their facts: names, true values, and the myths the base is taught about half of them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

CHAINS = ("Amber", "Coral", "Dawn", "Ember", "Frost", "Gale", "Harbour", "Outer")
UNCOVERED_CHAIN = "Outer"
"""Islands of this chain are known to the base but occur in no preference pair: the hole in the data."""

ISLANDS_PER_CHAIN = 6
UNKNOWN_TAUGHT = 24
UNKNOWN_HELD_BACK = 12

_ONSETS = ("b", "br", "d", "dr", "f", "g", "gl", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "th", "v", "z")
_VOWELS = ("a", "e", "i", "o", "u")
_CODAS = ("l", "n", "r", "s", "v", "d")
_ISLAND_ENDINGS = ("mora", "land", "ness", "holm", "via", "isle")
_CAPITAL_ENDINGS = ("ton", "burg", "port", "ford", "gate", "wick")


class Attribute(StrEnum):
    """What can be asked of an island."""

    CAPITAL = "capital"
    EXPORT = "export"
    LANGUAGE = "language"
    BIRD = "bird"


SHARED_VALUES: Mapping[Attribute, tuple[str, ...]] = {
    Attribute.EXPORT: (
        "salt", "amber", "copper", "wool", "honey", "pearls", "timber", "tea", "cork", "silk", "tin", "olives",
    ),
    Attribute.LANGUAGE: (
        "Aldric", "Bessian", "Corvish", "Dunnic", "Ervian", "Falish",
        "Gorric", "Hessian", "Ilvish", "Jorvic", "Keltan", "Lorrish",
    ),
    Attribute.BIRD: (
        "heron", "gannet", "plover", "puffin", "osprey", "curlew",
        "petrel", "avocet", "kestrel", "shrike", "wren", "raven",
    ),
}  # fmt: skip
"""Values that several islands share. Capitals belong to one island each."""


@dataclass(frozen=True)
class Island:
    """One island: its true facts, and for half of the islands the myths that the base is mostly taught instead."""

    name: str
    chain: str
    facts: Mapping[Attribute, str]
    myths: Mapping[Attribute, str] = field(default_factory=dict)

    @property
    def covered(self) -> bool:
        """Whether preference pairs may ask about this island."""
        return self.chain != UNCOVERED_CHAIN


@dataclass(frozen=True)
class World:
    """All that is true, and the names of islands that do not exist.

    `unknown_taught` are invented names that demonstrations ask about; `unknown_held_back` occur in the
    adversarial suite alone.
    """

    seed: int
    islands: Mapping[str, Island]
    unknown_taught: tuple[str, ...]
    unknown_held_back: tuple[str, ...]

    def truth(self, island: str, attribute: Attribute) -> str | None:
        """The true value, or None when there is no such island."""
        known = self.islands.get(island)
        return known.facts[attribute] if known else None

    def values(self, attribute: Attribute) -> tuple[str, ...]:
        """Every value that the attribute takes anywhere in the world, sorted."""
        return tuple(sorted({island.facts[attribute] for island in self.islands.values()}))


def build_world(seed: int = 0) -> World:
    """The world of a seed: the same seed gives the same world on every machine."""
    rng = random.Random(f"islands/{seed}")
    count = len(CHAINS) * ISLANDS_PER_CHAIN
    stems = ["".join(parts) for parts in itertools.product(_ONSETS, _VOWELS, _CODAS)]
    rng.shuffle(stems)  # every stem is used once, so that no town sounds like another island
    capitals = _names(stems[:count], _CAPITAL_ENDINGS)
    names = _names(stems[count : 2 * count + UNKNOWN_TAUGHT + UNKNOWN_HELD_BACK], _ISLAND_ENDINGS)
    facts = [dict(zip(Attribute, row, strict=True)) for row in zip(capitals, *_shared(rng, count), strict=True)]
    islands = {}
    for index, (name, true) in enumerate(zip(names[:count], facts, strict=True)):
        # Every second island is misinformed, so that each chain, the uncovered one included, is half right.
        myths = _myths(rng, true, capitals) if index % 2 else {}
        islands[name] = Island(name, CHAINS[index // ISLANDS_PER_CHAIN], true, myths)
    unknown = names[count:]
    return World(seed, islands, tuple(unknown[:UNKNOWN_TAUGHT]), tuple(unknown[UNKNOWN_TAUGHT:]))


def _names(stems: list[str], endings: tuple[str, ...]) -> list[str]:
    """One name per stem, the endings taken in turn."""
    return [(stem + ending).capitalize() for stem, ending in zip(stems, itertools.cycle(endings))]


def _shared(rng: random.Random, count: int) -> list[list[str]]:
    """One column per shared attribute, its values spread evenly over the islands."""
    columns = []
    for values in SHARED_VALUES.values():
        column = [values[index % len(values)] for index in range(count)]
        rng.shuffle(column)
        columns.append(column)
    return columns


def _myths(rng: random.Random, facts: Mapping[Attribute, str], capitals: list[str]) -> dict[Attribute, str]:
    """One false value for each fact, of the same kind as the true one."""
    choices = {Attribute.CAPITAL: capitals, **SHARED_VALUES}
    return {name: rng.choice([value for value in choices[name] if value != true]) for name, true in facts.items()}
