"""Several processes for one run: torchrun starts them, this waits for them and says in one status how they ended.

torchrun puts every process into a session of its own, where signals to the trainer's process group do not reach it.
So a SIGTERM is passed on, and with its launcher killed a process is killed by the kernel (run.die_with_parent).
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from types import FrameType

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, launch_agent

from training.config import RLHFConfig
from training.engine.errors import EngineError
from training.engine.run import Run

PATIENCE_SECONDS = 24 * 3600
"""For a checkpoint after SIGTERM. Whoever has less sends SIGKILL."""


def launch(run: Run) -> int:
    """Train on as many devices as configured; returns the exit status. Raises EngineError where that cannot be."""
    count = run.training.devices
    check_devices(count)
    _check_sampler(run)
    cores = len(os.sched_getaffinity(0))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // count)))
    with tempfile.TemporaryDirectory(prefix="torchrun-") as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=run.spec.run_id,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
            signals_to_handle="SIGTERM,SIGINT",
            shutdown_timeout=PATIENCE_SECONDS,
        )
        return _wait(run, config)


def check_devices(count: int) -> None:
    """Raise EngineError when this machine has fewer devices than `count`."""
    if torch.cuda.is_available():
        found, kind = torch.cuda.device_count(), "GPUs (CUDA_VISIBLE_DEVICES names those it may use)"
    else:
        found, kind = len(os.sched_getaffinity(0)), "processor cores, each of which takes one process"
    if count > found:
        raise EngineError(
            f"The run asks for {count} devices, and its worker sees {found} {kind}.",
            f"Lower devices to {found} or less, or start a worker that sees more.",
        )


def _check_sampler(run: Run) -> None:
    config = run.spec.config
    if isinstance(config, RLHFConfig) and config.sampler == "vllm":
        raise EngineError(
            "vLLM samples inside one trainer process, and this run is to be shared by several.",
            "Set sampler to transformers, or devices to 1.",
        )


def _wait(run: Run, config: LaunchConfig) -> int:
    from training.engine.__main__ import FAILED, FINISHED, STOPPED

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)  # as torchrun will, once the processes run
        if run.stop.wanted:
            return STOPPED
        threading.Thread(target=_heed_parent, args=[run], daemon=True).start()
        launch_agent(config, sys.executable, ["-m", "training.engine", str(run.folder)])
    except SignalException:
        return FINISHED if (run.folder / "result.json").is_file() else STOPPED
    except ChildFailedError as error:
        statuses = {failure.exitcode for failure in error.failures.values()}
        if FAILED not in statuses and STOPPED in statuses:
            return STOPPED
        run.events.fail(*_explain(error.failures))
        return FAILED
    return FINISHED


def _heed_parent(run: Run) -> None:
    """Stop when the worker that started this is gone; the processes only see that this one lives."""
    while not run.stop.orphaned:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(number: int, _: FrameType | None) -> None:
    raise SignalException("told to stop", signal.Signals(number))


def _explain(failures: dict[int, ProcessFailure]) -> tuple[str, str]:
    """What happened and what to do, for processes that ended without a word."""
    # Whoever was killed is the cause: the others only lost their connection to it.
    rank, failure = min(failures.items(), key=lambda item: (item[1].exitcode >= 0, item[1].timestamp))
    if failure.exitcode == -signal.SIGKILL:
        how, remedy = "was killed, most likely because memory ran out", "Lower tokens_per_pass or max_length"
    elif failure.exitcode < 0:
        how, remedy = f"was ended by signal {-failure.exitcode}", "See the end of trainer.log for its cause"
    else:
        how, remedy = f"ended with status {failure.exitcode}", "See the end of trainer.log for its cause"
    return (
        f"The process of device {rank} {how}; the others cannot go on without it.",
        f"{remedy}; then resume from the last checkpoint.",
    )
