"""How far an active run is, and how long it will still take at the pace of its latest steps."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from training.models import Run, RunEvent, RunState
from training.quantities import about

# Events that tie a step to a time.
MARKS = ("started", "stage", "checkpoint")
# A pace measured over less time than this says nothing.
SHORTEST = timedelta(seconds=2)
# Stages without optimizer steps end with their own count (training/trainer_events.py).
STAGE_COUNT = re.compile(r": (\d+) of (\d+)$")


@dataclass(frozen=True, slots=True)
class Progress:
    """Position of a run in optimizer steps, or in the parts of a stage that has none.

    `remaining` is in seconds, None as long as there is no pace to go by.
    """

    done: int
    total: int
    remaining: float | None = None
    unit: str = "step"

    @property
    def text(self) -> str:
        """'step 412 of 860 · 47 % · about 3 min left'."""
        if not self.total:
            return ""
        parts = [f"{self.unit} {self.done} of {self.total}", f"{100 * self.done // self.total} %"]
        if self.remaining is not None:
            parts.append(f"about {about(self.remaining)} left")
        return " · ".join(parts)


def progress_of(runs: Iterable[Run], now: datetime | None = None) -> dict[UUID, Progress]:
    """Progress of each run, by its id, with one query for all."""
    listed = list(runs)
    marks: dict[UUID, list[RunEvent]] = defaultdict(list)
    for event in RunEvent.objects.filter(run__in=listed, kind__in=MARKS).order_by("id"):
        marks[event.run_id].append(event)
    moment = now or timezone.now()
    return {run.pk: _progress(run, marks[run.pk], moment) for run in listed}


def _progress(run: Run, marks: list[RunEvent], now: datetime) -> Progress:
    if count := STAGE_COUNT.search(run.stage):
        return Progress(int(count[1]), int(count[2]), unit="part")
    return Progress(run.step, run.total_steps, remaining_seconds(run, marks, now))


def remaining_seconds(run: Run, marks: Iterable[RunEvent], now: datetime) -> float | None:
    """Steps left times the seconds per step since the latest mark of this stage that is far enough back."""
    if run.state != RunState.RUNNING or not run.total_steps:
        return None
    stage = [event for event in marks if event.attempt == run.attempt]
    beginning = max((place for place, event in enumerate(stage) if event.kind == "stage"), default=0)
    usable = [event for event in stage[beginning:] if event.step < run.step and now - event.at >= SHORTEST]
    if not usable:
        return None
    # The last but one checkpoint smooths over the pauses that checkpoints themselves make.
    mark = usable[-2] if len(usable) > 1 else usable[-1]
    seconds_per_step = (now - mark.at).total_seconds() / (run.step - mark.step)
    return max(0, run.total_steps - run.step) * seconds_per_step
