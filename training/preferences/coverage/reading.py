"""The map of a stored report: topics with what pages show of them, and the prompts that would fill a gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from training.models import DatasetVersion
from training.preferences import prompt_sets
from training.preferences.records import Conversation, Message
from training.preferences.reporting import stored_report
from training.preferences.survey import ReportSettings


@dataclass(frozen=True, slots=True)
class TopicPrompts:
    """What a topic is called, and the conversations of the target that belong to it (some hundreds at most)."""

    words: list[str]
    target_prompts: list[Conversation]


def picture(version: DatasetVersion) -> Mapping[str, Any] | None:
    """The picture of the stored report's finding "coverage"; None when there is no report or no map in it."""
    report = stored_report(version)
    finding = report.finding("coverage") if report else None
    return finding.picture if finding else None


def cluster(version: DatasetVersion, number: int) -> TopicPrompts | None:
    """A topic of the stored map; None when there is none of this number."""
    report = stored_report(version)
    drawn = picture(version)
    topic = next((topic for topic in drawn["topics"] if topic["number"] == number), None) if drawn else None
    if topic is None or report is None:
        return None
    return TopicPrompts(topic["words"], _target_prompts(report.settings, topic))


def _target_prompts(looked_at: ReportSettings, topic: Mapping[str, Any]) -> list[Conversation]:
    """The conversations at the topic's places in the target; its examples where the target is gone or holds others."""
    places, key = set(topic["places"]), looked_at.target
    if not places:
        return []
    today = next((found.digest for found in prompt_sets.available() if found.key == key), None)
    try:
        if today is not None and today == looked_at.contents.get(key, today):
            prompts = islice(prompt_sets.prompts(key), max(places) + 1)
            return [prompt for place, prompt in enumerate(prompts) if place in places]
    except (KeyError, OSError):
        pass  # removed just now, or its file is gone
    return [(Message("user", text),) for _, text in topic["target_examples"]]
