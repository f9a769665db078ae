"""The run state machine. Every change of a run's state is one of these functions: compare-and-set plus a RunEvent.

A worker's claim is fenced by the attempt number: whoever lost the claim changes nothing any more. The diagram is in
the docstring of `training.models.Run`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from alignapp.accounts.models import User
from alignapp.celery import call_workers
from training.config import Makes, Method, RunConfig
from training.digests import folder_digest
from training.models import DatasetVersion, Policy, PolicyKind, Run, RunEvent, RunState
from training.runs import admission
from training.runs.admission import Refused as Refused

# A run whose workers vanish this often in a row is the likely cause, so it stops being tried.
MAX_LOSSES = 3


def create(
    *,
    method: str,
    config: RunConfig,
    dataset_version: DatasetVersion,
    base: Policy,
    name: str,
    user: User | None,
    priority: float = 0.0,
    run_id: UUID | None = None,
    reward_model: Policy | None = None,
    inspected: Policy | None = None,
    override_reason: str = "",
) -> Run:
    """Queue a run with its configuration frozen; raises Refused when data, base or reward model do not fit the method.

    `override_reason` says why, where the report on the data says do not train or is not there; else it is not kept.
    An inspection looks at `inspected`, a policy or reward model trained from `base`, or `base` itself.
    Whoever may send the same launch twice names `run_id`: the second time the run there is comes back.
    """
    found = admission.check(Method(method), config, dataset_version, base, reward_model, inspected, override_reason)
    values = {
        "name": name,
        "method": method,
        "config": config.model_dump(mode="json"),
        "dataset_version": dataset_version,
        "base": base,
        "reward_model": reward_model,
        "inspected": inspected,
        "priority": priority,
        "data_verdict": found.kept if found else "",
        "override_reason": override_reason.strip() if found and found.needs_reason else "",
        "created_by": user,
    }
    with transaction.atomic():
        run, new = Run.objects.get_or_create(pk=run_id or uuid4(), defaults=values)
        if not new:
            return run
        _note(run, RunState.QUEUED, f"Queued by {user.get_username()}." if user else "Queued.")
    transaction.on_commit(_call_gpu_workers)
    return run


def _call_gpu_workers() -> None:
    call_workers("training.tasks.work_on_runs")


def claim(worker: str) -> Run | None:
    """Give `worker` the next waiting run, or None. Two workers can never get the same one."""
    for run in Run.objects.waiting()[:10]:
        now = timezone.now()
        changes: dict[str, Any] = {
            "attempt": F("attempt") + 1,
            "worker": worker,
            "claimed_at": now,
            "heartbeat_at": now,
        }
        if _change(run, {RunState.QUEUED}, RunState.CLAIMED, f"Claimed by {worker}.", stage="", **changes):
            return run
    return None


def started(run: Run, process_group: int) -> bool:
    """Record that the trainer process runs; False when the claim was lost meanwhile."""
    first: dict[str, Any] = {} if run.started_at else {"started_at": timezone.now()}
    return _change(run, {RunState.CLAIMED}, RunState.RUNNING, "Trainer started.", process_group=process_group, **first)


def heartbeat(run: Run, **progress: Any) -> str | None:
    """Renew the claim and store progress; returns the state as it stands, or None when the claim was lost."""
    held = Run.objects.filter(pk=run.pk, attempt=run.attempt, state__in=_HELD)
    if not held.update(heartbeat_at=timezone.now(), **progress):
        return None
    return held.values_list("state", flat=True).first()


def cancel(run: Run) -> bool:
    """Cancel a waiting run at once, or ask the worker of an active one to end its process."""
    if _change(run, {RunState.QUEUED}, RunState.CANCELLED, "Cancelled while waiting.", finished_at=timezone.now()):
        return True
    return _change(run, {RunState.CLAIMED, RunState.RUNNING}, RunState.CANCELLING, "Cancellation asked for.")


def cancelled(run: Run) -> bool:
    """Record that the process of a cancelling run is gone."""
    return _change(
        run,
        {RunState.CANCELLING},
        RunState.CANCELLED,
        "The trainer's processes are gone.",
        finished_at=timezone.now(),
        process_group=None,
    )


def fail(run: Run, reason: str, remedy: str = "") -> bool:
    """End an active run as failed, with what happened and what to change."""
    return _change(
        run,
        {RunState.CLAIMED, RunState.RUNNING},
        RunState.FAILED,
        reason,
        level="error",
        error=reason,
        remedy=remedy,
        finished_at=timezone.now(),
        process_group=None,
    )


def succeed(run: Run, result: dict[str, Any]) -> Policy | None:
    """End a running run and register what it made; None when the claim was lost, and for an inspection."""
    columns = ("step", "train_seconds", "tokens", "peak_memory_bytes")
    changes = {key: result[key] for key in columns if key in result}
    makes = Method(run.method).makes
    message = "Finished." if makes is Makes.INSPECTION else f"Finished at step {result['step']}."
    with transaction.atomic():
        done = _change(
            run,
            {RunState.RUNNING, RunState.CANCELLING},
            RunState.SUCCEEDED,
            message,
            result=result,
            stage="",
            finished_at=timezone.now(),
            process_group=None,
            **changes,
        )
        if not done or makes is Makes.INSPECTION:
            return None
        _register_own_reward_model(run)
        return _register(run, result, makes)


def _register(run: Run, result: dict[str, Any], makes: Makes) -> Policy:
    """Make the row of what a finished run trained: a policy, or a reward model, which nothing serves."""
    digest = result["digest"]
    trained = PolicyKind.ADAPTER if result["tuning"] == "lora" else PolicyKind.FULL
    return Policy.objects.create(
        name=run.name,
        kind=PolicyKind.REWARD if makes is Makes.REWARD_MODEL else trained,
        method=run.method,
        location=f"runs/{run.pk}/{result['artifact']}",
        digest=digest,
        served_name=f"{run.method}-{str(run.pk)[:8]}-{result['step']}-{digest[:8]}",
        base=None if run.config.get("from_scratch") else run.base,
        run=run,
        lora_rank=result["lora_rank"],
        created_by=run.created_by,
    )


def _register_own_reward_model(run: Run) -> None:
    """RLHF that trained its reward model first leaves it for inspection and for later runs; it is a row of its own."""
    folder = run.folder / "reward_model"
    if not (folder / "reward.json").is_file():
        return
    digest = folder_digest(folder)
    Policy.objects.create(
        name=f"{run.name}: its reward model"[:160],
        kind=PolicyKind.REWARD,
        method=Method.REWARD,
        location=f"runs/{run.pk}/{folder.name}",
        digest=digest,
        served_name=f"{Method.REWARD}-{str(run.pk)[:8]}-{digest[:8]}",
        base=run.base,
        created_by=run.created_by,
    )


def give_back(run: Run, reason: str) -> bool:
    """Return an active run to the queue; its next attempt continues from the last checkpoint."""
    changed = _change(
        run,
        {RunState.CLAIMED, RunState.RUNNING},
        RunState.QUEUED,
        reason,
        level="warning",
        worker="",
        process_group=None,
        stage="",
    )
    if changed:
        transaction.on_commit(_call_gpu_workers)
    return changed


def resume(run: Run) -> bool:
    """Queue a failed or cancelled run again; it continues from its last checkpoint."""
    changed = _change(
        run,
        {RunState.FAILED, RunState.CANCELLED},
        RunState.QUEUED,
        "Queued again; continues from the last checkpoint.",
        error="",
        remedy="",
        stage="",
        finished_at=None,
        queued_at=timezone.now(),
    )
    if changed:
        transaction.on_commit(_call_gpu_workers)
    return changed


def lost(run: Run) -> None:
    """Deal with a run whose worker fell silent: cancelled if that was asked, else queued again, a few times."""
    if cancelled(run):
        return
    with transaction.atomic():
        _note(run, "lost", f"The worker {run.worker} fell silent.", level="warning")
        # Ending what is left of a trainer takes a while, and the next sweep may have found the same run: one loss.
        if not (_give_up(run) if _losses(run) >= MAX_LOSSES else _try_again(run)):
            transaction.set_rollback(True)


def _give_up(run: Run) -> bool:
    return fail(
        run,
        f"The worker vanished {MAX_LOSSES} times while running this.",
        "The machine probably runs out of memory: launch again with fewer tokens per pass, shorter texts or LoRA.",
    )


def _try_again(run: Run) -> bool:
    return give_back(run, "Queued again because its worker fell silent; continues from the last checkpoint.")


def _losses(run: Run) -> int:
    """Workers lost since a person last queued the run."""
    by_person = run.events.filter(kind=RunState.QUEUED, level="info").order_by("-id").values_list("id", flat=True)
    return run.events.filter(kind="lost", id__gt=by_person.first() or 0).count()


def silent(now: Any = None) -> models.QuerySet[Run]:
    """Active runs without a heartbeat for longer than RUN_HEARTBEAT_TIMEOUT."""
    limit = (now or timezone.now()) - timedelta(seconds=settings.RUN_HEARTBEAT_TIMEOUT)
    return Run.objects.active().filter(heartbeat_at__lt=limit)


def set_priority(run: Run, value: float) -> bool:
    """Change the priority of a waiting run."""
    return bool(Run.objects.filter(pk=run.pk, state=RunState.QUEUED).update(priority=value))


def move(run: Run, *, up: bool) -> None:
    """Move a waiting run one place in the queue."""
    _reorder(run, -1 if up else 1)


def move_to_front(run: Run) -> None:
    """Make a waiting run the next to be claimed."""
    _reorder(run, -Run.objects.waiting().count())


def _reorder(run: Run, places: int) -> None:
    """Shift a run by `places` and number the whole queue anew: the last has priority 1, so new runs come after it."""
    with transaction.atomic():
        order = list(Run.objects.waiting())
        here = next((place for place, other in enumerate(order) if other.pk == run.pk), None)
        if here is None:
            return
        order.insert(max(0, here + places), order.pop(here))
        _number(order)


def _number(order: Iterable[Run]) -> None:
    waiting = list(order)
    for place, run in enumerate(waiting):
        set_priority(run, float(len(waiting) - place))


_HELD = (RunState.CLAIMED, RunState.RUNNING, RunState.CANCELLING)


def _change(run: Run, old: set[RunState], new: RunState, message: str, *, level: str = "info", **changes: Any) -> bool:
    """Move the run from one of the `old` states to `new` if it still is there and the attempt is ours."""
    with transaction.atomic():
        rows = Run.objects.filter(pk=run.pk, attempt=run.attempt, state__in=old)
        if rows.update(state=new, **changes) != 1:
            return False
        run.refresh_from_db()
        _note(run, new, message, level=level)
    return True


def _note(run: Run, kind: str, message: str, *, level: str = "info") -> None:
    RunEvent.objects.create(run=run, attempt=run.attempt, kind=kind, level=level, step=run.step, message=message)
