"""One vLLM process: its command line, its start, its end.

The engine runs in a process group of its own under the lifeline, so that it ends with its keeper however the keeper
ends.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from django.conf import settings

from alignapp import environment
from training.runs.process_groups import end_group

from .lifeline import GRACE

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # those vLLM can be started for
ADAPTERS_IN_BATCH = 4  # active at once; further ones take turns
ADAPTERS_IN_MEMORY = 32  # held in main memory; beyond that vLLM reads the folder again
LONGEST_CONVERSATION = 4096  # tokens, unless the model has fewer positions
EXTRA_ARGUMENTS = shlex.split(environment.text("VLLM_ARGS", ""))
ROTATE_BYTES = 10 * 1024 * 1024
ERROR_LINE = re.compile(r"\b\w*(?:Error|Exception): .+")
CONSEQUENCE = "Engine core initialization failed"  # what vLLM says last, after the cause


@dataclass(frozen=True)
class EnginePlan:
    """What to start: a model under a name on a port of the loopback interface."""

    model: str
    served_name: str
    port: int
    max_lora_rank: int

    @property
    def command(self) -> list[str]:
        """vLLM's own command line, without the CPU or GPU part."""
        options = {
            "--model": self.model,
            "--served-model-name": self.served_name,
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--max-loras": str(ADAPTERS_IN_BATCH),
            "--max-cpu-loras": str(ADAPTERS_IN_MEMORY),
            "--max-lora-rank": str(self.max_lora_rank),
            # The model's own sampling defaults would make the same request mean different things to different roots.
            "--generation-config": "vllm",
            # The first token is sent at once, later ones in groups: on a CPU, a message per token costs more than
            # the token (measured: 500-700 tokens/s by single tokens, 1,600-2,000 by sixteen).
            "--stream-interval": "16",
        }
        if length := longest_conversation(Path(self.model)):
            options["--max-model-len"] = str(length)
        words = [word for option in options.items() for word in option]
        module = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        return [*module, *words, "--enable-lora", *device_arguments(), *EXTRA_ARGUMENTS]

    @property
    def environment(self) -> dict[str, str]:
        """The process's variables; what the user has set wins, and what is nobody's business but ours is left out."""
        defaults = {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            # The trainer needs cores too, and threads that wait for a core they share make both several times slower.
            "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2)),
            "TOKENIZERS_PARALLELISM": "false",
        }
        forced = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        if runs_on_cpu():
            forced["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        if Path(self.model).is_dir():
            forced["HF_HUB_OFFLINE"] = "1"
        return {**defaults, **environment.without_secrets(), **forced}


def largest_rank(wanted: int) -> int:
    """The smallest rank vLLM can be started for that covers `wanted`."""
    return next((rank for rank in LORA_RANKS if rank >= wanted), LORA_RANKS[-1])


@cache
def runs_on_cpu() -> bool:
    """Whether the CPU build of vLLM is installed."""
    with suppress(metadata.PackageNotFoundError):
        return bool(metadata.version("vllm-cpu"))
    return False


def device_arguments() -> list[str]:
    """fp32 without compilation and without a separate worker process on a CPU; on a GPU what vLLM chooses."""
    if not runs_on_cpu():
        return ["--dtype", "auto"]
    repair = ["--worker-extension-cls", "training.engine.vllm_lora.OnlyWithAdapter"]
    return ["--dtype", "float32", "--enforce-eager", "--distributed-executor-backend", "uni", *repair]


def longest_conversation(folder: Path) -> int:
    """Tokens of prompt and answer together that the model can take, or 0 when its folder does not say."""
    with suppress(OSError, ValueError):
        config = json.loads((folder / "config.json").read_text())
        positions = (config.get("text_config") or config).get("max_position_embeddings") or config.get("n_positions")
        return min(int(positions), LONGEST_CONVERSATION) if positions else 0
    return 0


class EngineProcess:
    """A running vLLM and its lifeline."""

    def __init__(self, plan: EnginePlan, log: Path) -> None:
        self.plan, self.log = plan, log
        rotate(log)
        with log.open("ab") as output:
            self.log_start = output.tell()
            self.lifeline = subprocess.Popen(
                [sys.executable, "-m", "comparisons.serving.lifeline", *plan.command],
                cwd=settings.BASE_DIR,
                env=plan.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        assert self.lifeline.stdout is not None
        with self.lifeline.stdout as first_line:
            self.group = int(first_line.readline() or 0)

    @property
    def status(self) -> int | None:
        """Exit status, or None while it runs."""
        return self.lifeline.poll()

    def stop(self) -> None:
        """End the engine; returns when no process of its group is left."""
        assert self.lifeline.stdin is not None
        self.lifeline.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.lifeline.wait(GRACE + 15)
        if self.group:
            end_group(self.group, grace=0)

    def obituary(self) -> str:
        """Why the engine ended, as far as its log says, in a sentence."""
        return f"vLLM ended with status {self.status}{self._last_error()}. Its log is {self.log}."

    def _last_error(self) -> str:
        with self.log.open("rb") as file:
            file.seek(max(self.log_start, self.log.stat().st_size - 200_000))
            errors = ERROR_LINE.findall(file.read().decode(errors="replace"))
        causes = [error for error in errors if CONSEQUENCE not in error]
        return f" ({causes[-1].strip()[:300]})" if causes else ""


def rotate(log: Path) -> None:
    """Keep the log and one before it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > ROTATE_BYTES:
        log.replace(log.with_suffix(".log.1"))
