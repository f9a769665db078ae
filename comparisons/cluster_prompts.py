"""Prompts for a suite, drawn from the topics that the report on a dataset version found among its prompts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.models import DatasetVersion
from training.preferences.browsing import open_browser, rows_by_number, select_rows
from training.preferences.coverage import reading
from training.preferences.filters import Filter
from training.preferences.records import Conversation as Turns

from .suites import MAX_PROMPTS, Conversation

AT_ONCE = 500  # rows that are read together
MOST_VERSIONS = 100


class NoPrompts(ValueError):
    """Nothing can be drawn; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A cluster of the map: its words, its different prompts, and the rows that they stand in."""

    number: int
    words: tuple[str, ...]
    prompts: int
    rows: int

    def __str__(self) -> str:
        return f"{', '.join(self.words[:4]) or 'without common words'} ({self.prompts:,} prompts)"


def mapped_versions() -> list[DatasetVersion]:
    """The latest versions whose stored report has a map of topics and whose file is here."""
    latest = DatasetVersion.objects.select_related("dataset").order_by("-pk")[:MOST_VERSIONS]
    return [version for version in latest if version.path.is_file() and topics_of(version)]


def topics_of(version: DatasetVersion) -> list[Topic]:
    """Topics of the version's own prompts, the largest first; none without a report."""
    drawn = reading.picture(version)
    found = [
        Topic(topic["number"], tuple(topic["words"]), topic["data"], topic["pairs"])
        for topic in (drawn["topics"] if drawn else [])
        if topic["data"]
    ]
    return sorted(found, key=lambda topic: (-topic.prompts, topic.number))


def draw_prompts(
    version: DatasetVersion, topics: Sequence[int], number: int, *, held_out: bool, seed: int
) -> list[Conversation]:
    """Up to `number` different prompts of these topics (of all, if none is named); raises NoPrompts.

    Rows are drawn alike, so a topic comes as often as it has rows. The same seed draws the same prompts. With
    `held_out` only prompts that no run on this version has been trained on.
    """
    if open_browser(version) is None:
        raise NoPrompts("The browser of this version's pairs is not made yet. Open its pairs once, then come back.")
    rows = _rows(version, topics, "held_out" if held_out else "")
    random.Random(seed).shuffle(rows)
    different: dict[Turns, None] = {}
    for prompt in _prompts(version, rows):
        different.setdefault(prompt)
        if len(different) == min(number, MAX_PROMPTS):
            break
    if not different:
        raise NoPrompts(
            "None of these prompts is held out of training. Choose other topics, or take trained ones too."
            if held_out
            else "These topics hold no prompt any more. Make the report on the version again."
        )
    return [[{"role": turn.role, "content": turn.content} for turn in prompt] for prompt in different]


def _rows(version: DatasetVersion, topics: Sequence[int], split: str) -> list[int]:
    """Numbers of the rows, ascending."""
    filters = [Filter(cluster=topic, split=split) for topic in topics] or [Filter(split=split)]
    return sorted({int(row) for chosen in filters for row in select_rows(version, chosen)})


def _prompts(version: DatasetVersion, rows: Sequence[int]) -> Iterator[Turns]:
    for start in range(0, len(rows), AT_ONCE):
        yield from (row.pair.prompt for row in rows_by_number(version.path, rows[start : start + AT_ONCE]))
