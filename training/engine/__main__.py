"""`python -m training.engine RUN_DIR`: train what RUN_DIR/config.json asks for.

Exit status: 0 finished, 3 stopped with a checkpoint, 4 refused or failed with a `failed` event; else a crash.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path

from pydantic import ValidationError

from training.config import Method, RunSpec
from training.engine.errors import EngineError, Stopped
from training.engine.events import EventWriter
from training.engine.run import Run, StopSignal, die_with_parent, is_shared, this_rank

FINISHED, STOPPED, FAILED = 0, 3, 4

MODULES = {
    Method.SFT: "sft",
    Method.DPO: "dpo",
    Method.CPO: "cpo",
    Method.CONTRASTIVE_CPO: "contrastive_cpo",
    Method.SIMPO: "simpo",
    Method.REWARD: "reward",
    Method.RLHF: "rlhf",
    Method.INSPECTION: "inspection",
}


def main(folder: Path) -> int:
    """Run one attempt and return the exit status."""
    stop = StopSignal()
    if is_shared():
        die_with_parent()  # and listen once it has met the others: until then there is nothing to save
    else:
        stop.listen()
    try:
        spec = read_spec(folder)
    except EngineError as error:
        print(error, file=sys.stderr)
        if folder.is_dir():
            EventWriter(folder / "events.jsonl", attempt=1).emit("failed", reason=error.reason, remedy=error.remedy)
        return FAILED
    run = Run(folder, spec, EventWriter(folder / "events.jsonl", spec.attempt, silent=this_rank() > 0), stop)
    if _finished(run):
        run.events.emit("finished")
        return FINISHED
    return _launch(run) if _devices(run) > 1 and not is_shared() else train(run)


def read_spec(folder: Path) -> RunSpec:
    """The run's specification; raises EngineError with every fault of config.json in one sentence."""
    path = folder / "config.json"
    try:
        return RunSpec.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror}.", "Give the folder of a claimed run.") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise EngineError(f"{path} is not a valid specification: {faults}.", "Correct these settings.") from error


def _finished(run: Run) -> bool:
    """Whether an earlier attempt got to the end and only its worker was lost."""
    path = run.folder / "result.json"
    return path.is_file() and json.loads(path.read_text(encoding="utf-8"))["run_id"] == run.spec.run_id


def train(run: Run) -> int:
    """Train by the run's method; whatever goes wrong on purpose becomes an event and an exit status."""
    run.stage("loading")
    try:
        _train_method(run)
    except Stopped:
        return STOPPED
    except EngineError as error:
        print(error, file=sys.stderr)
        run.events.fail(error.reason, error.remedy)
        return FAILED
    return FINISHED


def _devices(run: Run) -> int:
    return run.training.devices if run.spec.config.method.trains else 1


def _launch(run: Run) -> int:
    from training.engine.launch import launch  # imports torch

    try:
        return launch(run)
    except EngineError as error:
        print(error, file=sys.stderr)
        run.events.fail(error.reason, error.remedy)
        return FAILED


def _join(run: Run) -> None:
    """As one of several processes: meet the others, and stop when any is told to."""
    from training.engine import distributed

    distributed.connect(_devices(run))
    run.stop = distributed.SharedStop(parent=run.stop.parent)
    run.stop.listen()


def _part() -> None:
    """Leave the other processes once all have got to the same end."""
    if is_shared():
        from training.engine import distributed

        distributed.disconnect()


def _train_method(run: Run) -> None:
    # torch and Transformers take seconds to import (here), so a refused specification need not wait for them.
    # A thread that spins while it waits for another takes the core from the one it waits for: on two cores shared
    # with a server, steps took 20 times as long. This must be set before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Spinning for a moment, some 0.1 ms, spares the price of falling asleep between small kernels (docs/DECISIONS.md).
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    method = import_module(f"training.engine.{MODULES[run.spec.config.method]}")
    if is_shared():
        _join(run)
    try:
        method.train(run)
        _part()
    except Stopped:
        _part()
        raise
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        raise EngineError(
            f"The device ran out of memory: {str(error).splitlines()[0]}",
            "Lower tokens_per_pass or max_length, or train a smaller adapter.",
        ) from error


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m training.engine RUN_DIR")
    status = main(Path(sys.argv[1]))
    if is_shared():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # connections to ranks that are gone would abort an orderly exit
    sys.exit(status)
