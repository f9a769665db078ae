"""What a run leaves behind: a PEFT adapter folder or a whole model folder, with the tokenizer, and result.json."""

from __future__ import annotations

import json
import os
import resource
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from training.digests import folder_digest
from training.engine import distributed
from training.engine.run import Run, this_rank

if TYPE_CHECKING:
    from training.engine.loop import State
    from training.engine.policy import Policy

ARTIFACT = "artifact"


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader or a crash sees the old text or the new, never a part; rank 0's task alone."""
    if this_rank() > 0:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def finish(run: Run, policy: Policy, state: State) -> None:
    """Write artifact/, then result.json, then the `finished` event."""
    run.stage("writing the artifact")
    save_policy(policy, run.folder / ARTIFACT, run.spec.model_path)
    write_result(run, state)


def write_result(run: Run, state: State) -> None:
    """Declare artifact/ whole: result.json, then the `finished` event."""
    peak = max(state.peak_memory, peak_memory())
    if this_rank() > 0:
        return
    folder = run.folder / ARTIFACT
    config = run.training
    result = {
        "run_id": run.spec.run_id,
        "attempt": run.spec.attempt,
        "artifact": folder.name,
        "makes": run.spec.config.method.makes,
        "tuning": config.tuning,
        "lora_rank": config.lora_rank if config.tuning == "lora" else 0,
        "step": state.step,
        "train_seconds": round(state.seconds, 3),
        "tokens": state.tokens,
        "peak_memory_bytes": peak,
        "metrics": state.last,
        "digest": folder_digest(folder),
    }
    write_atomically(run.folder / "result.json", json.dumps(result, indent=1))
    run.events.emit("finished", state.step)


def save_policy(policy: Policy, folder: Path, base: str) -> None:
    """Save the adapter, or the model where there is none, in safetensors, beside the tokenizer."""
    weights = distributed.saved_weights(policy)
    if this_rank() > 0:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if policy.adapter is not None:
        config = policy.adapter.peft_config["default"]
        config.base_model_name_or_path = base
        config.target_modules = sorted(config.target_modules)  # a set's order, and so the digest, would vary
        policy.adapter.save_pretrained(folder, state_dict=weights, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # a form to fill in, with nothing about this run
    else:
        policy.model.save_pretrained(folder, state_dict=weights)
    policy.tokenizer.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors makes files that another user, such as the server's, cannot read


def peak_memory() -> int:
    """Most bytes that one process held at once: on the accelerator where there is one, else resident. Collective."""
    if torch.cuda.is_available():
        held = torch.cuda.max_memory_allocated()
    else:
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
    return int(distributed.largest(torch.tensor([held]))[0])
