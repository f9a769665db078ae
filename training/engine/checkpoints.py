"""Checkpoints that a kill at any moment cannot corrupt, and that continue a run bit for bit.

A checkpoint is a folder: state.pt, then manifest.json, written last and atomically, with the SHA-256 of state.pt, the
identity of the run (configuration, data, model) and, for people, its reference, chat template, seed and versions. A
folder whose manifest is missing or does not match, or whose state cannot be loaded, is torn; the one before it is
used. The newest two are kept.

State holds trained weights, optimizer moments, step and accumulated counts. Random states are absent on purpose:
the loop seeds every step from (seed, step).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from training.engine.artifacts import write_atomically
from training.engine.errors import EngineError

KEPT = 2
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    step: int
    path: Path
    state: dict[str, Any]
    facts: dict[str, Any]


def save(
    folder: Path,
    prefix: str,
    step: int,
    state: dict[str, Any],
    identity: dict[str, str],
    facts: dict[str, Any] | None = None,
) -> Path:
    """Write `folder/<prefix>-<step>` and remove all but the newest checkpoints of that prefix.

    A run of another `identity` cannot go on from it; `facts` only tell where it came from.
    """
    target = folder / f"{prefix}-{step:08d}"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with (target / "state.pt").open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    manifest = {
        "format": FORMAT,
        "step": step,
        "identity": identity,
        "facts": {"torch": torch.__version__, **(facts or {})},
        "sha256": {"state.pt": _sha256(target / "state.pt")},
    }
    write_atomically(target / "manifest.json", json.dumps(manifest, indent=1))
    for old in _newest_first(folder, prefix)[KEPT:]:
        shutil.rmtree(old)
    return target


def latest(folder: Path, prefix: str, identity: dict[str, str]) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint, and the names of newer ones that are torn.

    Raises EngineError when a checkpoint belongs to another configuration, dataset or model.
    """
    torn = []
    for path in _newest_first(folder, prefix):
        manifest = _manifest(path)
        if manifest is None:
            torn.append(path.name)
            continue
        _check_identity(path, manifest["identity"], identity)
        state = _load(path / "state.pt")
        if state is None:
            torn.append(path.name)
            continue
        return Checkpoint(manifest["step"], path, state, manifest["facts"]), torn
    return None, torn


def _load(path: Path) -> dict[str, Any] | None:
    """The state; None when it is no archive of tensors, although it is the file that was written."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError):
        return None
    return state


def _newest_first(folder: Path, prefix: str) -> list[Path]:
    return sorted(folder.glob(f"{prefix}-*"), reverse=True)


def _manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a whole checkpoint; None when anything is missing or different from what it names."""
    try:
        manifest: dict[str, Any] = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        whole = all(_sha256(path / name) == digest for name, digest in manifest["sha256"].items())
        return manifest if whole and manifest["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _check_identity(path: Path, found: dict[str, str], expected: dict[str, str]) -> None:
    differing = [name for name in expected if found.get(name) != expected[name]]
    if differing:
        raise EngineError(
            f"The checkpoint {path.name} was written by a run with other {' and '.join(differing)}.",
            "Start the run in an empty folder, or restore what it was started with.",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
