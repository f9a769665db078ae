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
