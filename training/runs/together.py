"""Queueing the runs of several methods at once: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid5

from django.db import transaction

from alignapp.accounts.models import User
from training.config import Method, TrainingConfig
from training.models import DatasetVersion, Policy, Run
from training.runs import queue
from training.runs.names import free_name


def launch(
    configs: Mapping[Method, TrainingConfig],
    *,
    ticket: UUID,
    base: Policy,
    version: DatasetVersion,
    user: User | None,
    override_reason: str = "",
) -> list[Run]:
    """Queue one run per method, in this order; raises queue.Refused, and then none is queued.

    Sent twice with the same `ticket` and choices, the runs that are there come back.
    """
    with transaction.atomic():
        return [
            queue.create(
                method=method,
                config=config,
                dataset_version=version,
                base=base,
                name=free_name(method, version),
                user=user,
                run_id=uuid5(ticket, "\0".join((method, str(base.pk), str(version.pk), config.model_dump_json()))),
                override_reason=override_reason,
            )
            for method, config in configs.items()
        ]
