"""What every method is handed: the folder, the specification, the event writer and the wish to stop."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from training.config import PolicyConfig, RunConfig, RunSpec, TrainingConfig
from training.digests import folder_digest
from training.engine.errors import Stopped
from training.engine.events import EventWriter

if TYPE_CHECKING:
    from training.engine.checkpoints import Checkpoint
    from training.engine.data import Examples
    from training.engine.policy import Policy

T = TypeVar("T")

PACKAGE = Path(__file__).parent.parent


@dataclass
class StopSignal:
    """Wanted on SIGTERM or SIGINT, and as soon as the process that started this one is gone."""

    wanted: bool = False
    parent: int = field(default_factory=os.getppid)

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def _hear(self, *_: object) -> None:
        self.wanted = True

    @property
    def requested(self) -> bool:
        return self.wanted or self.orphaned

    @property
    def orphaned(self) -> bool:
        """Whether the process that started this one is gone."""
        # An orphan is adopted by another process; nobody would read its events or stop it.
        return os.getppid() != self.parent


@dataclass
class Run:
    """One attempt at one run. `identity` is what a checkpoint must agree with to be continued."""

    folder: Path
    spec: RunSpec
    events: EventWriter
    stop: StopSignal
    template: str = ""  # digest of the chat template, known once the tokenizer is loaded
    began: float = field(default_factory=time.monotonic)  # or the end of the last lap

    @cached_property
    def identity(self) -> dict[str, str]:
        return {
            "config": _config_digest(self.spec.config),
            "data": self.spec.data_sha256,
            "model": self.spec.model_digest or _model_digest(self.spec.model_path),
            "reward model": self.spec.reward_model_digest,
        }

    @property
    def facts(self) -> dict[str, Any]:
        """What else a checkpoint says about where it came from."""
        config = self.spec.config
        reference = self.identity["model"] if config.method.has_reference else None
        return {"reference": reference, "template": self.template, "seed": config.seed, "code": code_version()}

    @property
    def training(self) -> TrainingConfig:
        """The configuration of a run that trains; raises TypeError for an inspection."""
        config = self.spec.config
        if not isinstance(config, TrainingConfig):
            raise TypeError(f"{config.method} trains nothing")
        return config

    @property
    def policy_config(self) -> PolicyConfig:
        """The configuration of a run that makes a policy; raises TypeError for any other."""
        config = self.spec.config
        if not isinstance(config, PolicyConfig):
            raise TypeError(f"{config.method} makes no policy")
        return config

    def lap(self) -> float:
        """Seconds since the last lap or, at first, since the attempt began."""
        before, self.began = self.began, time.monotonic()
        return self.began - before

    def stage(self, name: str, **values: int) -> None:
        self.events.emit("stage", name=name, **values)

    def watched(self, stage: str, parts: Sequence[T]) -> Iterator[T]:
        """Go through work that has no optimizer steps: reports progress about once a second, heeds a stop."""
        last = time.monotonic()
        for done, part in enumerate(parts):
            self.stop_here_if_wanted()
            yield part
            if time.monotonic() - last >= 1.0 or done + 1 == len(parts):
                last = time.monotonic()
                self.events.emit("progress", stage=stage, done=done + 1, total=len(parts))

    def started(self, policy: Policy, examples: Examples, steps: int, checkpoint: Checkpoint | None) -> None:
        """Report what is about to happen."""
        self.template = hashlib.sha256(str(policy.tokenizer.chat_template).encode()).hexdigest()
        parameters, trained = policy.parameter_counts()
        self.events.emit(
            "started",
            total_steps=steps,
            resumed_from=checkpoint.step if checkpoint else 0,
            device=policy.device.type,
            parameters=parameters,
            trained_parameters=trained,
            rows=len(examples.train),
            held_out_rows=len(examples.held_out),
        )
        if not policy.packed:
            self.events.notice("This architecture takes no block masks: prompts are encoded once per answer.")

    def stop_here_if_wanted(self) -> None:
        """For stretches without optimizer steps, which have nothing to save; raises Stopped."""
        if self.stop.requested:
            raise Stopped


def this_rank() -> int:
    """Which of the processes that share the run this is, from 0; 0 too where there is one only."""
    return int(os.environ["RANK"]) if is_shared() else 0


def is_shared() -> bool:
    """Whether torchrun started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def die_with_parent() -> None:
    """Have the kernel kill this process when its launcher is gone (Linux)."""
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
    libc: Any = ctypes.CDLL(None)
    libc.prctl(set_parent_death_signal, signal.SIGKILL)


NO_MATTER = {"devices", "gradient_checkpointing", "memory_limit_gib"}
"""Settings that change where and how a run computes, not what: with others of these a run may be continued."""


def _config_digest(config: RunConfig) -> str:
    """Of what differs from the defaults, so that a setting which is added later leaves unfinished runs alone."""
    changed = config.model_dump(mode="json", exclude_defaults=True, exclude=NO_MATTER)
    text = json.dumps({"class": type(config).__name__, **changed}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def code_version() -> str:
    """Digest of the sources that decide what a run computes."""
    sources = sorted(path for folder in ("engine", "config") for path in (PACKAGE / folder).glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def _model_digest(model_path: str) -> str:
    """Of a model that the worker did not name by digest: its files, or its name on the hub."""
    folder = Path(model_path)
    return folder_digest(folder) if folder.is_dir() else model_path
