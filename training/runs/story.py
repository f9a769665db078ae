"""What the page of a run tells beside its curves: warnings, sample answers now and before, the end of the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from training.config import Method
from training.launching.config_fields import flatten, raw_text, values_of
from training.models import Run, RunEvent, RunState
from training.runs import trainer_events

LOG_LINES = 200
MOST_WARNINGS = 5
MOST_COMPARABLE = 20


@dataclass(frozen=True, slots=True)
class SampleRow:
    """Answers to one prompt at two checkpoints; `before` is None when there is only one."""

    prompt: str
    now: str
    before: str | None

    @property
    def changed(self) -> bool:
        return self.before is not None and self.now != self.before


@dataclass(frozen=True, slots=True)
class Samples:
    """The sample answers at `step` beside those at the first step, and the steps there are."""

    steps: list[int]
    step: int
    first: int
    rows: list[SampleRow]


def samples_of(run: Run, step: int | None = None) -> Samples | None:
    """Answers at `step` (the latest without one) and at the first step; None when there are none at all."""
    steps = sorted(set(run.samples.values_list("step", flat=True)))
    if not steps:
        return None
    at = step if step in steps else steps[-1]
    before = {sample.position: sample.text for sample in run.samples.filter(step=steps[0])} if at != steps[0] else {}
    rows = [
        SampleRow(_last_words(sample.prompt), sample.text, before.get(sample.position))
        for sample in run.samples.filter(step=at)
    ]
    return Samples(steps, at, steps[0], rows)


def _last_words(prompt: list[dict[str, Any]]) -> str:
    """What the person asked last."""
    return str(prompt[-1]["content"]) if prompt else ""


def warnings_of(run: Run) -> list[RunEvent]:
    """The latest different warnings, oldest first. What a finished run was warned of still stands."""
    latest: dict[str, RunEvent] = {}
    for event in run.events.filter(level="warning").order_by("-id")[:100]:
        latest.setdefault(event.message, event)
    return list(latest.values())[:MOST_WARNINGS][::-1]


def log_tail(run: Run) -> list[str]:
    """The last lines that the trainer printed."""
    return trainer_events.read_log(run.folder).splitlines()[-LOG_LINES:]


def last_checkpoint(run: Run) -> int:
    """The step from which the run would resume; 0 when it would start over."""
    steps = run.events.filter(kind="checkpoint").order_by("-step").values_list("step", flat=True)
    return steps.first() or 0


def comparable_runs(run: Run, chosen: Run | None = None) -> list[Run]:
    """Runs of the same method that may be drawn behind this one, latest first; the chosen one is always among them."""
    latest = Run.objects.filter(method=run.method).exclude(pk=run.pk).exclude(state=RunState.QUEUED)
    found = list(latest.order_by("-created_at")[:MOST_COMPARABLE])
    return found if chosen is None or chosen in found else [chosen, *found]


def launch_link(run: Run, method: Method | None = None, changes: Mapping[str, Any] | None = None) -> str:
    """The launch form filled in with the settings of this run, `changes` on top; defaults are left out of the address.

    For another method those settings are taken along that both have.
    """
    method = method or Method(run.method)
    chosen = {
        "base": run.base_id,
        "dataset_version": run.dataset_version_id,
        "reward_model": run.reward_model_id,
        "inspected": run.inspected_id,
    }
    values = {name: pk for name, pk in chosen.items() if pk}
    config = flatten(run.config) | dict(changes or {})
    changed = {value.setting.path: raw_text(value.value) for value in values_of(method, config) if value.changed}
    form = reverse("inspection-new") if method is Method.INSPECTION else reverse("run-new", args=[method])
    return f"{form}?{urlencode(values | changed)}"
