"""Writing down who did what to a study."""

from __future__ import annotations

from typing import Any

from alignapp.accounts.models import User

from .models import AuditEntry, Study


def record(study: Study, actor: User | None, verb: str, **detail: Any) -> AuditEntry:
    """Add an entry; `actor` is None where the application acted by a rule."""
    return AuditEntry.objects.create(study=study, actor=actor, verb=verb, detail=detail)
