"""What a trainer says in events.jsonl, on its way into rows: metrics, samples, notices, progress."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from training.models import Run, RunEvent, RunMetric, RunSample
from training.runs import alarms

log = logging.getLogger(__name__)

Event = dict[str, Any]


class Tail:
    """Reads events.jsonl onward from where the last attempt's reader stopped, and stores what it finds."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.path = run.folder / "events.jsonl"
        self.progress: dict[str, Any] = {}
        self.failure: tuple[str, str] | None = None

    def read(self) -> None:
        """Store every complete new line. The position moves in the same transaction, so no event is stored twice."""
        if not self.path.exists():
            return
        run = Run.objects.filter(pk=self.run.pk)
        with transaction.atomic(), self.path.open("rb") as file:
            position = run.select_for_update().values_list("events_read", flat=True).get()
            file.seek(position)
            text = file.read()
            complete = text[: text.rfind(b"\n") + 1]
            if complete:
                self._store([event for line in complete.splitlines() if (event := _parse(line)) is not None])
                run.update(events_read=position + len(complete))

    def _store(self, events: list[Event]) -> None:
        rows: dict[type, list[Any]] = {RunMetric: [], RunSample: [], RunEvent: []}
        for event in events:
            for row in ROWS.get(event["kind"], _no_rows)(self.run, event):
                rows[type(row)].append(row)
            self._follow(event)
        RunMetric.objects.bulk_create(
            rows[RunMetric], update_conflicts=True, unique_fields=["run", "name", "step"], update_fields=["value"]
        )
        RunSample.objects.bulk_create(
            rows[RunSample],
            update_conflicts=True,
            unique_fields=["run", "step", "position"],
            update_fields=["prompt", "text"],
        )
        RunEvent.objects.bulk_create(rows[RunEvent])
        if alarms.is_look(metric.name for metric in rows[RunMetric]):
            alarms.keep(self.run)

    def _follow(self, event: Event) -> None:
        """Keep what the run's row should say: step, stage, length, and why it failed. Only this attempt counts."""
        if event.get("attempt") != self.run.attempt:
            return
        kind = event["kind"]
        self.progress["step"] = max(int(event.get("step", 0)), 0)
        if kind in {"started", "stage"} and event.get("total_steps") is not None:
            self.progress["total_steps"] = int(event["total_steps"])
        if kind == "stage":
            self.progress["stage"] = str(event["name"])[:120]
        if kind == "progress":
            self.progress["stage"] = f"{event['stage']}: {event['done']} of {event['total']}"[:120]
        if kind == "failed":
            self.failure = (str(event["reason"]), str(event.get("remedy", "")))


def _parse(line: bytes) -> Event | None:
    try:
        event = _without_nul(json.loads(line))
        return event if isinstance(event, dict) and "kind" in event else None
    except ValueError:
        log.warning("unreadable trainer event: %r", line[:200])
        return None


def _without_nul(value: Any) -> Any:
    """PostgreSQL keeps no NUL characters, and models may well write them."""
    match value:
        case str():
            return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        case list():
            return [_without_nul(part) for part in value]
        case dict():
            return {name: _without_nul(part) for name, part in value.items()}
    return value


def _metrics(run: Run, event: Event) -> list[RunMetric]:
    values = {name: float(value) for name, value in event["values"].items()}
    return [
        RunMetric(run=run, step=event["step"], name=name, value=value)
        for name, value in values.items()
        if math.isfinite(value)
    ]


def _samples(run: Run, event: Event) -> list[RunSample]:
    return [
        RunSample(run=run, step=event["step"], position=position, prompt=sample["prompt"], text=sample["text"])
        for position, sample in enumerate(event["samples"])
    ]


def _story(run: Run, event: Event) -> list[RunEvent]:
    """One line of the run's history, for events that people should read."""
    message = event.get("message") or event.get("name") or event.get("path") or _beginning(event)
    at = datetime.fromtimestamp(event["at"], UTC)
    level, step, attempt = event.get("level", "info"), event.get("step", 0), event.get("attempt", 0)
    return [RunEvent(run=run, at=at, attempt=attempt, kind=event["kind"], level=level, step=step, message=message)]


def _beginning(event: Event) -> str:
    resumed = f", resumed from step {event['resumed_from']}" if event.get("resumed_from") else ""
    return f"{event.get('rows', 0)} training rows on {event.get('device', 'cpu')}{resumed}"


def _no_rows(run: Run, event: Event) -> list[Any]:
    return []


ROWS: dict[str, Callable[[Run, Event], list[Any]]] = {
    "metrics": _metrics,
    "samples": _samples,
    "started": _story,
    "stage": _story,
    "checkpoint": _story,
    "notice": _story,
}


def read_result(folder: Path) -> dict[str, Any] | None:
    """The trainer's result.json, or None when it wrote none."""
    try:
        return dict(json.loads((folder / "result.json").read_text()))
    except (FileNotFoundError, ValueError):
        return None


def last_log_line(folder: Path, limit: int = 300) -> str:
    """The last non-empty line that the trainer printed."""
    lines = read_log(folder).splitlines()
    return next((line.strip()[:limit] for line in reversed(lines) if line.strip()), "(the log is empty)")


def read_log(folder: Path, most_bytes: int = 32_768) -> str:
    """The end of trainer.log."""
    try:
        with (folder / "trainer.log").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - most_bytes))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
