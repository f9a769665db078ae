"""A gpu worker that is killed in the middle of a run: the run is found, continued from its checkpoint, and finishes."""

from __future__ import annotations

import json
import os
import signal
import time

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
config = DPOConfig(lora_rank=8, max_steps=600, batch_size=8, checkpoint_every=20, evaluate_every=300, sample_count=0)
base = Policy.objects.get(name="Tiny base")
launch = {"base": base, "name": "Lost", "user": None, "override_reason": "The report is not what this is about."}
print(queue.create(method=Method.DPO, config=config, dataset_version=version, **launch).pk)
"""

LOOK = """
import json
from training.models import Run
run = Run.objects.get(name="Lost")
said = list(run.events.values_list("message", flat=True))
print(json.dumps({"state": run.state, "step": run.step, "attempt": run.attempt, "said": said}))
"""


def look(stack: Stack) -> dict[str, object]:
    state: dict[str, object] = json.loads(stack.manage("shell", "-v", "0", "-c", LOOK).strip().splitlines()[-1])
    return state


def wait_for(stack: Stack, condition, seconds: float) -> dict[str, object]:
    deadline = time.monotonic() + seconds
    while not condition(state := look(stack)):
        assert time.monotonic() < deadline, f"{state}\n{stack.logs()}"
        time.sleep(1)
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
    assert any("resumed from step" in message for message in run["said"])  # type: ignore[attr-defined]
