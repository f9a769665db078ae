"""A million pairs from JSON Lines into a version, beside `datasets` and pandas doing the same: pairs a second, memory.

Ours is the whole import as a user starts it: rows read and checked, format recognised, split by prompt, sealed, named
by digest, registered in a database. The rival is `load_dataset("json")`, the same checks on columns with pandas, and
Parquet with zstd. Both begin with their modules imported, and read the same file in turn.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

from bench.report import ROOT, Report

PAIRS, ROUNDS = 1_000_000, 2
LEAST_PER_SECOND, MOST_BYTES = 20_000, 2**30
PROMPT, ANSWER = 150, 400
"""Characters, on average."""
AT_ONCE = 50_000
UNUSABLE_EVERY = 1_000
"""One row of so many has the same answer twice, and both sides must leave it out."""


def measure(report: Report, pairs: int = PAIRS, rounds: int = ROUNDS) -> None:
    """Add rows for the speed and the memory of importing `pairs` pairs."""
    with tempfile.TemporaryDirectory(prefix="bench-import-") as name:
        folder = Path(name)
        _in_a_process("write", folder, pairs)
        runs = [(_in_a_process("ours", folder, pairs), _in_a_process("theirs", folder, pairs)) for _ in range(rounds)]
    ours, theirs = ([run[side] for run in runs] for side in (0, 1))
    speed, rival = (mean(pairs / run["seconds"] for run in side) for side in (ours, theirs))
    peak, rival_peak = (max(run["peak_bytes"] for run in side) / 2**30 for side in (ours, theirs))
    same = {run["accepted"] for run in [*ours, *theirs]} == {pairs - pairs // UNUSABLE_EVERY}
    must = f"≥ {LEAST_PER_SECOND:,} on two cores"
    report.add(f"import of {pairs:,} pairs", "1/s", speed, rival=rival, must=must, ok=speed >= LEAST_PER_SECOND)
    must = f"≤ {MOST_BYTES / 2**30:.0f} GiB"
    report.add("import, peak memory", "GiB", peak, rival=rival_peak, must=must, ok=peak * 2**30 <= MOST_BYTES)
    report.add("import, both keep the same rows", "", float(same), must="yes", ok=same)


def _in_a_process(what: str, folder: Path, pairs: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.data.importing", what, str(folder), str(pairs)]
    home = {"ALIGNAPP_HOME": str(folder / "home"), "SECRET_KEY": "bench", "DEBUG": "false", "HF_HUB_OFFLINE": "1"}
    home |= {"DJANGO_SETTINGS_MODULE": "alignapp.settings", "DATABASE_URL": f"sqlite:///{folder / 'bench.sqlite3'}"}
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **home})
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found:
        print(f"{what}: {pairs / found['seconds']:,.0f}/s, {found['peak_bytes'] / 2**30:.2f} GiB", flush=True)
    return found


def write(folder: Path, pairs: int) -> dict[str, float]:
    """Write the file of pairs; the same one every time."""
    with (folder / "pairs.jsonl").open("w", encoding="utf-8") as file:
        for row in rows(pairs):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return {}


def rows(pairs: int) -> Iterator[dict[str, Any]]:
    """Pairs of texts cut from a stream of words that occur as often as Zipf's law has it."""
    draw = random.Random(20)
    words = ["".join(draw.choices("abcdefghijklmnoprstuvwzé", k=draw.randint(2, 10))) for _ in range(20_000)]
    common = [1 / rank for rank in range(1, len(words) + 1)]
    stream = " ".join(draw.choices(words, common, k=5_000_000))

    def text(length: int) -> str:
        begin = draw.randrange(len(stream) - 2 * length)
        return stream[begin : begin + draw.randint(length // 2, length * 3 // 2)].replace(" k", ".\nK")

    for number in range(1, pairs + 1):
        prompt, chosen, rejected = text(PROMPT), text(ANSWER), text(ANSWER)
        answer = chosen if number % UNUSABLE_EVERY == 0 else rejected
        yield {"prompt": prompt, "chosen": chosen, "rejected": answer, "annotator": f"rater {number % 7}"}


def ours(folder: Path, pairs: int) -> dict[str, float]:
    """Import the file into a new database."""
    import django

    django.setup()
    from django.core.management import call_command

    from training.preferences.importing import dataset_named, import_file

    call_command("migrate", verbosity=0)
    dataset = dataset_named("Bench")
    began = time.perf_counter()
    job = import_file(folder / "pairs.jsonl", dataset)
    seconds = time.perf_counter() - began
    if job.error:
        raise RuntimeError(job.error)
    return {"seconds": seconds, "peak_bytes": peak_bytes(), "accepted": job.accepted}


def theirs(folder: Path, pairs: int) -> dict[str, float]:
    """The same with the `datasets` library and pandas."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        data = load_dataset("json", data_files=str(folder / "pairs.jsonl"), split="train", cache_dir=cache)
        writer, accepted = None, 0
        for frame in data.to_pandas(batch_size=AT_ONCE, batched=True):
            frame = checked(frame)
            table = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or pq.ParquetWriter(folder / "theirs.parquet", table.schema, compression="zstd")
            writer.write_table(table)
            accepted += len(frame)
        if writer:
            writer.close()
    seconds = time.perf_counter() - began
    assert isinstance(frame, pd.DataFrame)
    return {"seconds": seconds, "peak_bytes": peak_bytes(), "accepted": accepted}


def checked(frame: Any) -> Any:
    """The usable rows of a frame, with their split: what `records.check` and `PromptSplit` do, on columns."""
    import pandas as pd

    usable = frame["chosen"] != frame["rejected"]
    for column in ("prompt", "chosen", "rejected"):
        usable &= frame[column].notna() & (frame[column].str.strip() != "")
    frame = frame[usable]
    prompts = frame["prompt"].str.split().str.join(" ").str.casefold()
    held_out = pd.util.hash_pandas_object(prompts, index=False) < 2**64 // 10
    return frame.assign(split=held_out.map({True: "held_out", False: "train"}), line=frame.index + 1)


def peak_bytes() -> int:
    """The most this process has held at once; unlike ru_maxrss never what its parent held when it began."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "Linux says so"
    return int(found[1]) * 1024


STEPS: dict[str, Callable[[Path, int], dict[str, float]]] = {"write": write, "ours": ours, "theirs": theirs}


if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))))
