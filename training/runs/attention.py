"""What needs attention on the page of a run: its alarms with the rows behind them and links to remedies."""

from __future__ import annotations

from dataclasses import dataclass

from training.config import Method
from training.diagnosis import Alarm, catalogue
from training.diagnosis.alarms import Remedy
from training.diagnosis.catalogue import Measure
from training.diagnosis.evidence import (
    FILES,
    PAIR_SELECTORS,
    SAMPLE_SELECTORS,
    Evidence,
    Pair,
    Sample,
    pairs_behind,
    samples_behind,
)
from training.models import DatasetVersion, Run
from training.preferences import store
from training.runs import story
from training.runs.alarms import alarms_of

SHOWN_AT_ONCE = 3
# What the figures of each kind of evidence mean.
FIGURES = {
    "held_out": "δ is log p(chosen) − log p(rejected), in nats: below 0 the rejected answer is the likelier one.",
    "reward": "The reward model's scores; by the labels the chosen answer's should be the higher one.",
    "own": "KL is log p(answer) under the policy less that under the reference, in nats.",
}


@dataclass(frozen=True, slots=True)
class Found:
    """Something behind an alarm, with the row of the dataset version that it belongs to (None without its file)."""

    item: Pair | Sample
    row: store.Row | None


@dataclass(frozen=True, slots=True)
class ShownAlarm:
    """An alarm with everything that stands beside it; `remedies` are with links, None where nothing is to launch."""

    alarm: Alarm
    measure: Measure
    remedies: list[tuple[Remedy, str | None]]
    found: list[Found]
    total: int
    selected: str
    in_reward_model: bool


def shown_alarms(run: Run) -> list[ShownAlarm]:
    """The open alarms with their first pieces of evidence."""
    return [_shown(run, alarm) for alarm in alarms_of(run)]


def _shown(run: Run, alarm: Alarm) -> ShownAlarm:
    items = items_behind(run, alarm.evidence) if alarm.evidence else []
    return ShownAlarm(
        alarm=alarm,
        measure=catalogue.measure(alarm.measure),
        remedies=[(remedy, remedy_link(run, remedy)) for remedy in alarm.remedies],
        found=with_rows(run.dataset_version, items[:SHOWN_AT_ONCE]),
        total=len(items),
        selected=words_of(alarm.evidence) if alarm.evidence else "",
        # There the steps are those of another training, whose count begins at 0 again.
        in_reward_model=run.method == Method.RLHF and bool(alarm.evidence and alarm.evidence.file == "reward"),
    )


def words_of(evidence: Evidence) -> str:
    """'held-out pairs in the undesirable region, worst ranked first'; raises KeyError for what nobody selects."""
    if evidence.file not in FILES:
        raise KeyError(evidence.file)
    if evidence.file == "own":
        return f"own answers {SAMPLE_SELECTORS[evidence.selector][0]}"
    return f"held-out pairs {PAIR_SELECTORS[evidence.selector][0]}"


def lead_of(evidence: Evidence, total: int) -> str:
    """How many there are, their order, and what their figures mean; raises KeyError for what nobody selects."""
    order = words_of(evidence).partition(", ")[2]
    return f"{total:,}{f', {order}' if order else ''}. {FIGURES[evidence.file]}"


def items_behind(run: Run, evidence: Evidence) -> list[Pair] | list[Sample]:
    """Everything that the evidence selects among the latest values that the trainer kept."""
    folder = run.folder / "evidence"
    return samples_behind(folder, evidence) if evidence.file == "own" else pairs_behind(folder, evidence)


def with_rows(version: DatasetVersion, items: list[Pair] | list[Sample]) -> list[Found]:
    """The items with their rows, read at once."""
    numbers = sorted({item.row for item in items})
    rows = {row.number: row for row in store.rows(version.path, numbers)} if version.path.is_file() else {}
    return [Found(item, rows.get(item.row)) for item in items]


def remedy_link(run: Run, remedy: Remedy) -> str | None:
    """The launch form with the run's settings and the remedy's changes; None where there is nothing to launch."""
    return story.launch_link(run, remedy.method, remedy.changes) if remedy.method else None
