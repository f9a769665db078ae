"""A worker and its trainer process: events become rows, and every way to end is told apart."""

import json
import os
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.factories import make_run
from tests.training.test_queue import RESULT
from training import tasks
from training.models import Run, RunState
from training.runs import queue, supervision
from training.runs.process_groups import end_group, group_exists

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def scripted(monkeypatch, settings, tmp_path):
    settings.HOME = tmp_path
    settings.TRAINER_STOP_GRACE = 1
    script = Path(__file__).parent / "scripted_trainer.py"
    monkeypatch.setattr(supervision, "TRAINER", (sys.executable, str(script)))


def claimed(*script) -> Run:
    """A claimed run whose trainer will do what the script says."""
    make_run()
    run = queue.claim(supervision.worker_name())
    assert run is not None
    run.folder.mkdir(parents=True)
    (run.folder / "script.json").write_text(json.dumps(script))
    return run


def supervised(*script) -> Run:
    run = claimed(*script)
    supervision.supervise(run, threading.Event())
    return Run.objects.get(pk=run.pk)


def in_background(run: Run, stopping: threading.Event) -> threading.Thread:
    from django.db import connection

    def target():
        supervision.supervise(run, stopping)
        connection.close()

    thread = threading.Thread(target=target)
    thread.start()
    return thread


def wait_for(condition, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def test_a_trainer_that_finishes_makes_a_policy():
    run = supervised({"result": RESULT}, {"exit": 0})
    assert (run.state, run.policy.digest) == (RunState.SUCCEEDED, RESULT["digest"])


def test_metrics_samples_and_notices_become_rows():
    run = supervised(
        {"say": {"kind": "started", "total_steps": 10, "rows": 5, "device": "cpu"}},
        {"say": {"kind": "metrics", "step": 1, "values": {"train/loss": 0.5, "train/bad": float("nan")}}},
        {"say": {"kind": "samples", "step": 1, "samples": [{"prompt": [], "text": "hello"}]}},
        {"say": {"kind": "notice", "level": "warning", "message": "2 rows dropped"}},
        {"result": RESULT},
        {"exit": 0},
    )
    assert list(run.metrics.values_list("name", "step", "value")) == [("train/loss", 1, 0.5)]
    assert run.samples.get().text == "hello"
    assert run.events.filter(level="warning", message="2 rows dropped").exists()
    assert run.total_steps == 10


def test_a_refusal_is_told_with_its_remedy():
    run = supervised({"say": {"kind": "failed", "reason": "No such folder.", "remedy": "Check it."}}, {"exit": 4})
    assert (run.state, run.error, run.remedy) == ("failed", "No such folder.", "Check it.")


def test_a_crash_shows_the_last_line_of_the_log():
    run = supervised({"print": "ValueError: boom"}, {"exit": 1})
    assert (run.state, "ValueError: boom" in run.error) == ("failed", True)


def test_a_killed_trainer_is_explained_as_lack_of_memory():
    run = supervised({"kill": True})
    assert (run.state, "memory ran out" in run.error) == ("failed", True)


def test_a_trainer_that_ends_without_a_result_has_failed():
    assert supervised({"exit": 0}).state == RunState.FAILED


def test_cancelling_ends_the_whole_process_group_before_the_run_says_cancelled():
    run = claimed({"spawn": True}, {"ignore_term": True}, {"sleep": 60})
    thread = in_background(run, threading.Event())
    wait_for(lambda: (run.folder / "child.pid").exists())
    wait_for(lambda: Run.objects.get(pk=run.pk).state == RunState.RUNNING)
    queue.cancel(Run.objects.get(pk=run.pk))
    wait_for(lambda: Run.objects.get(pk=run.pk).state == RunState.CANCELLED)
    child = int((run.folder / "child.pid").read_text())
    thread.join(10)
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_stopping_worker_gives_the_run_back():
    run = claimed({"say": {"kind": "stage", "name": "training"}}, {"sleep": 60})
    stopping = threading.Event()
    thread = in_background(run, stopping)
    wait_for(lambda: (run.folder / "events.jsonl").exists())
    stopping.set()
    thread.join(15)
    assert Run.objects.get(pk=run.pk).state == RunState.QUEUED


def test_events_are_stored_once_although_a_second_attempt_reads_on():
    said = {"say": {"kind": "notice", "message": "first"}}
    run = supervised(said, {"exit": 3})
    assert run.state == RunState.QUEUED
    again = queue.claim(supervision.worker_name())
    assert again is not None
    (run.folder / "script.json").write_text(json.dumps([{"result": RESULT}, {"exit": 0}]))
    supervision.supervise(again, threading.Event())
    assert run.events.filter(message="first").count() == 1


def test_an_orphan_is_ended_before_its_run_is_queued_again(settings):
    """A worker that was killed leaves its trainer behind; the reaper ends it and returns the run."""
    run = claimed({"ignore_term": True}, {"say": {"kind": "stage", "name": "x"}}, {"sleep": 60})
    supervision.prepare(run)
    orphan = supervision._spawn(run)
    queue.started(run, orphan.pid)
    wait_for(lambda: (run.folder / "events.jsonl").exists())
    Run.objects.filter(pk=run.pk).update(heartbeat_at="2020-01-01T00:00Z")
    assert supervision.reap() == 1
    assert orphan.wait(5) == -9
    assert Run.objects.get(pk=run.pk).state == RunState.QUEUED


def test_the_trainer_inherits_no_secret(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    run = claimed({"sleep": 30})
    supervision.prepare(run)
    trainer = supervision._spawn(run)
    wait_for(lambda: b"PYTHONUNBUFFERED" in Path(f"/proc/{trainer.pid}/environ").read_bytes())
    environment = Path(f"/proc/{trainer.pid}/environ").read_bytes()
    end_group(trainer.pid, grace=0)
    trainer.wait()
    assert b"DATABASE_URL" not in environment
    assert not group_exists(trainer.pid)
    assert os.environ["DATABASE_URL"]


def test_a_trainer_sees_neither_the_database_nor_the_keys(monkeypatch):
    for name in ("DATABASE_URL", "SECRET_KEY", "BROKER_URL", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "set")
    run = supervised({"print_environment": True}, {"exit": 4})
    seen = (run.folder / "trainer.log").read_text().split()
    assert "HF_HUB_OFFLINE" in seen
    assert not {"DATABASE_URL", "SECRET_KEY", "BROKER_URL"} & set(seen)


def test_an_idle_worker_takes_up_a_lost_run_by_itself():
    run = claimed({"result": RESULT}, {"exit": 0})
    Run.objects.update(worker="elsewhere:1", heartbeat_at=timezone.now() - timedelta(minutes=1))
    tasks.work_on_runs()
    run.refresh_from_db()
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 2)


def test_a_database_that_fails_for_a_moment_does_not_fail_the_run(monkeypatch):
    run = claimed({"sleep": 60})
    heartbeat = queue.heartbeat

    def broken(*args, **kwargs):
        monkeypatch.setattr(queue, "heartbeat", heartbeat)
        raise OperationalError("database is locked")

    queue.give_back(run, "so that work() claims it")
    monkeypatch.setattr(queue, "heartbeat", broken)
    stopping = threading.Event()
    monkeypatch.setattr(queue, "claim", claim_once(queue.claim, stopping))
    supervision.work(stopping)
    run.refresh_from_db()
    assert (run.state, "database did not answer" in run.events.latest("id").message) == (RunState.QUEUED, True)


def claim_once(claim, stopping: threading.Event):
    """The queue's own claim, after which the worker stops asking for more."""

    def claiming(worker: str):
        run = claim(worker)
        stopping.set()
        return run

    return claiming
