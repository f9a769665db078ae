"""What the entries of an audit say, for the page that lists them: names in place of ids, with links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from training.models import Policy

from .models import AuditEntry

POLICIES = "policies"  # the detail that holds ids, since a policy can get another name


@dataclass(frozen=True, slots=True)
class Part:
    """One word of what an entry says; `url` is empty where nothing stands behind it."""

    words: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One detail of an entry: what it is about, and its parts in order."""

    name: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """An entry, what it says, and what it keeps of a whole design, which pages fold away."""

    entry: AuditEntry
    facts: list[Fact]
    design: list[Fact]


def told(entries: Iterable[AuditEntry]) -> list[Told]:
    """The entries in words, with one query for all policies that they name."""
    entries = list(entries)
    policies = Policy.objects.in_bulk({pk for entry in entries for pk in entry.detail.get(POLICIES, ())})
    return [_told(entry, policies) for entry in entries]


def _told(entry: AuditEntry, policies: Mapping[int, Policy]) -> Told:
    short = {name: value for name, value in entry.detail.items() if not isinstance(value, dict)}
    design = {name: value for part in entry.detail.values() if isinstance(part, dict) for name, value in part.items()}
    return Told(
        entry,
        [_fact(name, _named(value, policies) if name == POLICIES else _plain(value)) for name, value in short.items()],
        [_fact(name, _plain(value)) for name, value in design.items()],
    )


def _fact(name: str, parts: tuple[Part, ...]) -> Fact:
    return Fact(name.replace("_", " "), parts)


def _named(ids: Iterable[int], policies: Mapping[int, Policy]) -> tuple[Part, ...]:
    """The policies by the names they have now; by number those that are no longer there."""
    found = ((pk, policies.get(pk)) for pk in ids)
    return tuple(
        Part(policy.name, policy.get_absolute_url()) if policy else Part(f"{pk} (gone)") for pk, policy in found
    )


def _plain(value: Any) -> tuple[Part, ...]:
    if isinstance(value, dict):
        value = [f"{name.replace('_', ' ')} {part}" for name, part in value.items() if part is not None]
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return (Part("none" if value in (None, "") else str(value)),)
