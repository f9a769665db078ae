"""The alarms of a run, judged from its curves; their names are kept on the run's row for lists."""

from __future__ import annotations

from collections.abc import Iterable

from training import diagnosis
from training.config import Method
from training.diagnosis import Alarm
from training.models import Run
from training.runs.curves import points_of

LOOKS = ("held_out/", "own/", "reward_held_out/")
"""Groups of metrics that come with a look; only then does an alarm open or close."""


def is_look(names: Iterable[str]) -> bool:
    """Whether metrics of these names can change what is alarming."""
    return any(name.startswith(LOOKS) for name in names)


def alarms_of(run: Run) -> list[Alarm]:
    """The alarms that are open after what the run has measured so far."""
    if not Method(run.method).trains:
        return []
    return diagnosis.alarms(points_of(run), run.typed_config)


def keep(run: Run) -> None:
    """Write the names of the open alarms to the run's row, where lists find them without judging again."""
    Run.objects.filter(pk=run.pk).update(alarms=[alarm.name for alarm in alarms_of(run)])
