"""events.jsonl: whole lines whatever happened before."""

from __future__ import annotations

import json

import pytest

from training.engine.events import EventWriter


def test_an_event_is_one_line_with_time_attempt_kind_and_step(tmp_path):
    EventWriter(tmp_path / "events.jsonl", attempt=3).emit("metrics", 7, values={"train/loss": 0.5})
    event = json.loads((tmp_path / "events.jsonl").read_text())
    assert event.pop("at") > 1.7e9
    assert event == {"attempt": 3, "kind": "metrics", "step": 7, "values": {"train/loss": 0.5}}


def test_half_a_line_of_a_killed_attempt_does_not_swallow_the_next_event(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"at": 1, "kind": "met')
    EventWriter(path, attempt=2).notice("here again")
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[1])["message"] == "here again"


def test_a_number_that_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        EventWriter(tmp_path / "events.jsonl", attempt=1).emit("metrics", values={"train/loss": float("nan")})
