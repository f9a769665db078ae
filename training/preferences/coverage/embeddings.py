"""Prompts embedded by a model, in a process of its own: nothing here loads torch."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from training.preferences.coverage.vectors import Vectors

MOST_SECONDS = 30 * 60
COMMAND = [sys.executable, "-m", "training.engine.embeddings"]
ROOT = Path(__file__).resolve().parents[3]


class NotEmbedded(Exception):
    """The model gave no embeddings; the message is a sentence for people."""


def embed(
    texts: Iterable[str], model: str, folder: Path, progress: Callable[[str], None], seconds: float = MOST_SECONDS
) -> Vectors:
    """[texts, dimensions] by the model in a folder, read from disk as needed; raises NotEmbedded.

    `folder` is empty and the caller's; it holds the vectors as long as they are used.
    """
    if not Path(model).is_dir():
        raise NotEmbedded(f"There is no folder {model} on this machine.")
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(text) + "\n" for text in texts)
    (folder / "job.json").write_text(json.dumps({"model": model}))
    status, expired = _run(folder, progress, seconds)
    if status:
        raise NotEmbedded(_reason(folder, status, seconds if expired else 0))
    vectors: Vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    return vectors


def _run(folder: Path, progress: Callable[[str], None], seconds: float) -> tuple[int, bool]:
    """The process's exit status, and whether it was ended because its time was over."""
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [*COMMAND, str(folder)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        late = threading.Timer(seconds, process.kill)
        late.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                progress(line.strip()[:100])
            return process.wait(), not late.is_alive()
        finally:
            late.cancel()
            process.kill()


def _reason(folder: Path, status: int, expired_after: float) -> str:
    if expired_after:
        return f"The model took longer than {expired_after / 60:.0f} minutes."
    lines = (folder / "log").read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else f"Its process ended with status {status}."
