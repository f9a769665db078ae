"""What a rule says when it finds something wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from training.config import Method, RunConfig, TrainingConfig
from training.diagnosis.curves import Curves
from training.diagnosis.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about it, in a sentence; with a method, the launch form opens with `changes` applied."""

    sentence: str
    button: str = ""
    method: Method | None = None
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is going wrong. `measure` names the catalogue's entry; `since` is the step at which it began."""

    name: str
    title: str
    cause: str
    since: int
    measure: str
    level: Literal["warning", "error"] = "warning"
    evidence: Evidence | None = None
    remedies: tuple[Remedy, ...] = ()


Rule = Callable[[Curves, RunConfig], Alarm | None]


def method_of(config: RunConfig) -> Method:
    """The method that this configuration is of; every class that a run can have names one."""
    return Method(config.method)  # type: ignore[attr-defined]


def again(config: RunConfig, sentence: str, button: str, **changes: Any) -> Remedy:
    """The same run with other settings; dots in their names are written as two underscores."""
    return Remedy(
        sentence, button, method_of(config), {name.replace("__", "."): value for name, value in changes.items()}
    )


def smaller_steps(config: TrainingConfig, sentence: str) -> Remedy:
    """The same run with half the step size."""
    rate = config.learning_rate / 2
    return again(config, sentence, f"Halve the step size to {rate:.3g}", learning_rate=rate)


def longer(config: TrainingConfig, sentence: str) -> Remedy:
    """The same run for twice as long, by whichever setting ends it."""
    if config.max_steps:
        steps = 2 * config.max_steps
        return again(config, sentence, f"Train {steps} steps", max_steps=steps)
    epochs = 2 * config.epochs
    return again(config, sentence, f"Train {epochs:g} passes", epochs=epochs)


def percent(share: float) -> str:
    """0.213 -> '21 %'."""
    return f"{100 * share:.0f} %"
