"""A gpu worker that is killed in the middle of a run: the run is found, continued from its checkpoint, and finishes."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from tests.e2e.conftest import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.vllm, pytest.mark.xdist_group("stack"), pytest.mark.timeout(300)]

LAUNCH = """
from pathlib import Path
from training.config import DPOConfig, Method
from training.models import Policy
from training.preferences import importing
from training.runs import queue
import json
rows = [{"prompt": f"Say {n}", "chosen": f"It is {n}.", "rejected": f"No {n}?"} for n in range(80)]
file = Path("FOLDER") / "lost.jsonl"
file.write_text("".join(json.dumps(row) + chr(10) for row in rows))
version = importing.import_file(file, importing.dataset_named("Lost")).version
config = DPOConfig(lora_rank=8, max_steps=300, batch_size=8, checkpoint_every=20, evaluate_every=150, sample_count=0)
base = Policy.objects.get(name="Tiny base")
launch = {"base": base, "name": "Lost", "user": None, "override_reason": "The report is not what this is about."}
print(queue.create(method=Method.DPO, config=config, dataset_version=version, **launch).pk)
"""

RUN = "SELECT id, state, step, attempt FROM training_run WHERE name = 'Lost'"
SAID = "SELECT message FROM training_runevent WHERE run_id = ?"


def look(stack: Stack) -> dict[str, Any]:
    """What the database says of the run. By hand: each look by Django would take a core from the run for seconds."""
    with closing(sqlite3.connect(stack.home / "alignapp.sqlite3")) as database:
        key, state, step, attempt = database.execute(RUN).fetchone()
        said = [message for (message,) in database.execute(SAID, [key])]
    return {"state": state, "step": step, "attempt": attempt, "said": said}


def wait_for(stack: Stack, condition, seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while not condition(state := look(stack)):
        assert time.monotonic() < deadline, f"{state}\n{stack.logs()}"
        time.sleep(0.5)
    return state


def test_a_run_whose_worker_was_killed_continues_from_its_checkpoint(stack: Stack):
    stack.manage("shell", "-v", "0", "-c", LAUNCH.replace("FOLDER", str(stack.home)))
    wait_for(stack, lambda run: run["step"] >= 25, 90)
    worker = stack.processes["worker-gpu"]
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    stack.start("worker-gpu")
    run = wait_for(stack, lambda run: run["state"] == "succeeded", 150)
    assert run["attempt"] == 2
    assert any("resumed from step" in message for message in run["said"])
