"""From a gap in the data to people who fill it: a study on its prompts, or a request for more of them.

coverage map, finding ──> Gap ──> study on its prompts ───────────────┐
                            └──> collection ──close──> suite ──> study ┴──> pairs ──> child of the version
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alignapp.accounts.models import User
from training.models import DatasetVersion
from training.preferences.browsing import UnknownCondition, making, open_browser
from training.preferences.browsing.listings import SORT_OF_FINDING
from training.preferences.coverage import reading
from training.preferences.filters import Filter
from training.preferences.records import Conversation

from .creation import create_study
from .models import Stratum, Study
from .suites import create_suite

MOST_PROMPTS = 200
"""Prompts of a gap that a study is offered; a cluster may hold many thousands."""

# What says how doubtful a row of a finding is; of other rows it is how likely the label is wrong.
DOUBT_OF_FINDING = {**SORT_OF_FINDING, "rater_agreement": "disagreement"}
MOST_ROWS = 20_000
"""Rows that are looked through for them: many may share a prompt."""
SHOWN_EXAMPLES = 5
LONGEST_EXAMPLE = 2_000
"""Characters."""


class NoGap(ValueError):
    """There is nothing to fill; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Prompts that a version should hold good pairs for, and does not."""

    version: DatasetVersion
    topic: str
    prompts: tuple[Conversation, ...]

    @property
    def name(self) -> str:
        """A name for a study or collection; raters see it, so it says nothing of policies."""
        return f"{self.topic[:1].upper()}{self.topic[1:]}"[:120]

    @property
    def examples(self) -> list[str]:
        """The last user turn of the first prompts; of a very long one the beginning."""
        return [prompt[-1].content[:LONGEST_EXAMPLE] for prompt in self.prompts[:SHOWN_EXAMPLES]]


def cluster_gap(version: DatasetVersion, cluster: int) -> Gap:
    """The prompts of a cluster of the coverage map, the target's before the version's own; raises NoGap."""
    found = reading.cluster(version, cluster)
    if found is None:
        raise NoGap("The report on this version knows no such topic. Make the report again, then come back.")
    own = _prompts_of_rows(version, Filter(cluster=cluster))
    return _gap(version, ", ".join(found.words[:3]), [*found.target_prompts, *own])


def rows_gap(version: DatasetVersion, wanted: Filter, topic: str) -> Gap:
    """The prompts of a slice of rows, such as those of a finding; raises NoGap when it is empty."""
    try:
        return _gap(version, topic, _prompts_of_rows(version, wanted))
    except UnknownCondition as unknown:
        raise NoGap(str(unknown)) from unknown


def _gap(version: DatasetVersion, topic: str, prompts: list[Conversation]) -> Gap:
    unique = tuple(dict.fromkeys(prompts))[:MOST_PROMPTS]
    if not unique:
        raise NoGap("No prompt belongs to this part of the data, so there is nothing to ask about.")
    return Gap(version, topic, unique)


def _prompts_of_rows(version: DatasetVersion, wanted: Filter) -> list[Conversation]:
    """Different prompts of the rows, those of the most doubtful labels first; as many as a study is offered."""
    browser = open_browser(version)
    if browser is None:
        making.ask_for(version.path)
        raise NoGap("The index of this version's rows is still being made. Come back when its rows can be opened.")
    doubt = DOUBT_OF_FINDING.get(wanted.finding, "noise")
    chosen = browser.select(wanted)
    rows = chosen.in_order(doubt, descending=True) if doubt in browser.sorts else chosen.rows
    different: dict[Conversation, None] = {}
    for row in browser.index.all_rows(rows[:MOST_ROWS]):
        different.setdefault(row.pair.prompt)
        if len(different) == MOST_PROMPTS:
            break
    return list(different)


def rate(gap: Gap, user: User, study: Mapping[str, Any]) -> Study:
    """A study on the gap's prompts, whose pairs will be offered to join the version; raises StudyRefused.

    `study` holds the arguments of create_study except suites and user.
    """
    suite = create_suite(
        name=gap.name,
        prompts=[[{"role": turn.role, "content": turn.content} for turn in prompt] for prompt in gap.prompts],
        stratum=Stratum.UNCOVERED,
        description=f"Prompts that {gap.version} lacks good pairs for.",
        fills=gap.version,
        user=user,
    )
    return create_study(suites=[suite], user=user, **study)
