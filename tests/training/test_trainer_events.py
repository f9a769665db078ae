"""What a trainer writes on its way into rows, on either database (tests/test_postgresql.py runs this file too)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.factories import make_run
from training.runs.trainer_events import Tail

pytestmark = pytest.mark.django_db


def test_nul_characters_in_what_a_model_wrote_become_replacement_characters(settings: Any, tmp_path: Path):
    """PostgreSQL keeps none, and a single one would end the run. The last text holds a backslash and five letters."""
    settings.HOME = tmp_path
    run = make_run()
    run.folder.mkdir(parents=True)
    samples = [{"prompt": [{"role": "user", "content": "a\0b"}], "text": "c\0\\u0000"}]
    event = {"at": 0.0, "attempt": 0, "kind": "samples", "step": 1, "samples": samples}
    (run.folder / "events.jsonl").write_text(json.dumps(event) + "\n")

    Tail(run).read()

    sample = run.samples.get()
    assert sample.prompt == [{"role": "user", "content": "a\N{REPLACEMENT CHARACTER}b"}]
    assert sample.text == "c\N{REPLACEMENT CHARACTER}\\u0000"


def test_events_are_not_stored_twice_when_the_worker_dies_before_it_has_said_where_it_stopped(settings: Any, tmp_path):
    """Rows and position are one transaction: a reader that fails in between leaves neither."""
    settings.HOME = tmp_path
    run = make_run()
    run.folder.mkdir(parents=True)
    said = [{"at": 0.0, "attempt": 0, "kind": "notice", "step": 0, "message": text} for text in ("one", "two")]
    (run.folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in said))

    class Dying(Tail):
        def _store(self, events: list[Any]) -> None:
            super()._store(events)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Dying(run).read()
    Tail(run).read()
    Tail(run).read()

    assert [event.message for event in run.events.filter(kind="notice")] == ["one", "two"]


def test_half_a_line_waits_for_its_end(settings: Any, tmp_path: Path):
    settings.HOME = tmp_path
    run = make_run()
    run.folder.mkdir(parents=True)
    line = json.dumps({"at": 0.0, "attempt": 0, "kind": "notice", "step": 0, "message": "whole"}) + "\n"
    path = run.folder / "events.jsonl"
    path.write_text(line[:20])
    tail = Tail(run)
    tail.read()
    path.write_text(line)
    tail.read()
    assert run.events.filter(message="whole").count() == 1
