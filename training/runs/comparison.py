"""Two or more runs beside each other: the settings in which they differ, and their final metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.config import Method
from training.launching.config_fields import Setting, flatten, settings_of, value_text
from training.models import Run
from training.runs.curves import latest_values

MOST_RUNS = 6
ABSENT = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison: a name and a text per run."""

    name: str
    cells: list[str]

    @property
    def differs(self) -> bool:
        return len(set(self.cells)) > 1


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric and its last value per run, None where a run has none."""

    name: str
    values: list[float | None]


def differences(runs: Sequence[Run]) -> list[Row]:
    """What the runs were given that is not the same for all: method, data, base, settings."""
    rows = [
        Row("Method", [run.get_method_display() for run in runs]),
        Row("Dataset", [str(run.dataset_version) for run in runs]),
        Row("Base", [str(run.base) for run in runs]),
    ]
    configs = [flatten(run.config) for run in runs]
    for path, label in _setting_labels(runs).items():
        rows.append(Row(label, [value_text(config[path]) if path in config else ABSENT for config in configs]))
    return [row for row in rows if row.differs]


def _setting_labels(runs: Sequence[Run]) -> dict[str, str]:
    """Every setting of any of the runs, by dotted name."""
    labels: dict[str, str] = {}
    for method in dict.fromkeys(run.method for run in runs):
        labels |= {setting.path: _label(setting) for setting in settings_of(Method(method))}
    return labels


def _label(setting: Setting) -> str:
    return f"{setting.group.replace('_', ' ').capitalize()} model: {setting.label}" if setting.group else setting.label


def final_metrics(runs: Sequence[Run]) -> list[MetricRow]:
    """The last value of every metric of any of the runs."""
    values = [latest_values(run) for run in runs]
    names = sorted({name for of_run in values for name in of_run})
    return [MetricRow(name, [of_run.get(name) for of_run in values]) for name in names]
