"""Names of runs that nobody named."""

from __future__ import annotations

from training.config import Method
from training.models import DatasetVersion, Run


def free_name(method: Method, version: DatasetVersion) -> str:
    """'DPO on islands v3', with a number after it when there is one already."""
    name = f"{method.short} on {version}"[:150]
    others = Run.objects.filter(name__startswith=name).count()
    return f"{name} ({others + 1})" if others else name
