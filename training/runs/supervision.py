"""Runs the trainer process of a claimed run: spawn, tail its events, stop it, and say how it ended.

The trainer lives in a process group of its own and never sees the database; what passes between the two is written
down in docs/ARCHITECTURE.md.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from alignapp import environment
from training.config import CPOConfig, DPOConfig, RLHFConfig, RunSpec
from training.models import PolicyKind, Run, RunState
from training.runs import queue, trainer_events
from training.runs.process_groups import end_group, group_exists, leader_runs

log = logging.getLogger(__name__)

# Exit statuses of the trainer, as documented.
STOPPED, REFUSED = 3, 4
POLL_SECONDS = 0.5

# The trainer; tests of the supervision put a scripted one here.
TRAINER = (sys.executable, "-m", "training.engine")


def worker_name() -> str:
    """Name of this worker: host, process, and the device it holds."""
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return f"{socket.gethostname()}:{os.getpid()}" + (f":gpu{device}" if device else "")


def work(stopping: threading.Event) -> None:
    """Claim and supervise runs until none waits or the worker stops."""
    while not stopping.is_set() and (run := queue.claim(worker_name())):
        try:
            supervise(run, stopping)
        except DatabaseError:
            # Not the run's fault: its trainer has been ended, and the next claim goes on from the checkpoint.
            log.exception("the database failed while run %s was supervised", run.pk)
            queue.give_back(run, "The database did not answer; the run continues from its last checkpoint.")
        except Exception as error:
            log.exception("supervising run %s failed", run.pk)
            queue.fail(run, f"The worker could not supervise the run: {error}", "See the worker's log, then resume.")


def supervise(run: Run, stopping: threading.Event) -> None:
    """Train one claimed run to its end, its cancellation, or the worker's stop."""
    prepare(run)
    trainer = _spawn(run)
    tail = trainer_events.Tail(run)
    try:
        if not queue.started(run, trainer.pid) and not _asked_to_cancel(run):
            return
        outcome = _watch(run, trainer, tail, stopping)
    finally:
        end_group(trainer.pid, grace=0)
        trainer.wait()
    tail.read()
    _conclude(run, outcome, tail)


@dataclass
class Outcome:
    """How the trainer ended: its exit status, and whether we told it to stop and why."""

    status: int
    told_to_stop: str = field(default="")


def prepare(run: Run) -> None:
    """Write RUN_DIR/config.json for this attempt."""
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "config.json").write_text(spec_of(run).model_dump_json(indent=2))


def spec_of(run: Run) -> RunSpec:
    """Everything the trainer may know about the run."""
    inspected = run.inspected if run.inspected_id != run.base_id else None
    judge = inspected if inspected and inspected.kind == PolicyKind.REWARD else run.reward_model
    policy = inspected if inspected and inspected.kind != PolicyKind.REWARD else None
    return RunSpec(
        run_id=str(run.pk),
        attempt=run.attempt,
        model_path=run.base.path,
        model_digest=run.base.digest,
        policy_path=policy.path if policy else "",
        policy_beta=_beta_of(policy.run) if policy and policy.run else 0.0,
        reward_model_path=judge.path if judge else "",
        reward_model_digest=judge.digest if judge else "",
        data_path=run.dataset_version.path,
        data_sha256=run.dataset_version.sha256,
        cache_dir=Path(settings.HOME) / "cache",
        config=run.typed_config,
    )


def _beta_of(run: Run) -> float:
    """The β by which summed log-ratios to the reference are rewards; 0 for runs that have none, or one per token."""
    config = run.typed_config
    if isinstance(config, RLHFConfig):
        return config.kl_beta
    if not isinstance(config, DPOConfig | CPOConfig) or config.length_normalised:
        return 0.0
    return 0.0 if isinstance(config, DPOConfig) and config.loss == "ipo" else config.beta


def reap() -> int:
    """Find active runs without a sign of life, end what is left of them on this host, and queue them again."""
    silent = list(queue.silent())
    for run in silent:
        here = run.worker.startswith(f"{socket.gethostname()}:")
        if here and run.process_group and leader_runs(run.process_group, str(run.pk)):
            end_group(run.process_group, grace=settings.TRAINER_STOP_GRACE)
        queue.lost(run)
    return len(silent)


def _spawn(run: Run) -> subprocess.Popen[bytes]:
    with (run.folder / "trainer.log").open("ab") as output:
        return subprocess.Popen(
            [*TRAINER, str(run.folder)],
            cwd=settings.BASE_DIR,
            env=environment.without_secrets() | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _asked_to_cancel(run: Run) -> bool:
    run.refresh_from_db(fields=["state"])
    return run.state == RunState.CANCELLING


def _watch(run: Run, trainer: subprocess.Popen[bytes], tail: trainer_events.Tail, stopping: threading.Event) -> Outcome:
    """Pass events on and renew the claim until the trainer ends by itself or has to be stopped."""
    while trainer.poll() is None:
        tail.read()
        state = queue.heartbeat(run, **tail.progress)
        if state is None:
            return Outcome(_stop(trainer, grace=0), "claim lost")
        if state == RunState.CANCELLING:
            return Outcome(_stop(trainer, settings.TRAINER_STOP_GRACE, run), "cancelled")
        if stopping.wait(POLL_SECONDS):
            return Outcome(_stop(trainer, settings.TRAINER_STOP_GRACE, run), "worker stops")
    return Outcome(trainer.returncode)


def _stop(trainer: subprocess.Popen[bytes], grace: float, run: Run | None = None) -> int:
    """SIGTERM to the group, time for a checkpoint, then SIGKILL; returns the leader's exit status."""
    if group_exists(trainer.pid):
        os.killpg(trainer.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while trainer.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
        if run is not None:
            queue.heartbeat(run)
    end_group(trainer.pid, grace=0)
    return trainer.wait()


def _conclude(run: Run, outcome: Outcome, tail: trainer_events.Tail) -> None:
    """Write the end of this attempt into the run's row; does nothing when the claim was lost."""
    result = trainer_events.read_result(run.folder) if outcome.status == 0 else None
    if result is not None:
        queue.heartbeat(run, **tail.progress)
        queue.succeed(run, result)
    elif outcome.told_to_stop == "cancelled" or _asked_to_cancel(run):
        queue.cancelled(run)
    elif outcome.told_to_stop == "worker stops" or outcome.status == STOPPED:
        queue.give_back(run, "The worker stopped; the run continues from its last checkpoint.")
    else:
        queue.fail(run, *_explain(run, outcome.status, tail))


def _explain(run: Run, status: int, tail: trainer_events.Tail) -> tuple[str, str]:
    """What happened and what to change, for a trainer that did not finish."""
    if tail.failure:
        return tail.failure
    if status in {-signal.SIGKILL, 128 + signal.SIGKILL}:
        return (
            "The operating system killed the trainer, most likely because memory ran out.",
            "Resume if something else filled it; else launch again with fewer tokens per pass, shorter texts or LoRA.",
        )
    last = trainer_events.last_log_line(run.folder)
    return (f"The trainer ended with status {status}. Its last line: {last}", "Read the log below for the cause.")
