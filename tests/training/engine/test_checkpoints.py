"""Checkpoints: whole or not at all, the newest whole one is used, and never one of another run."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch

from training.engine import checkpoints
from training.engine.errors import EngineError

IDENTITY = {"config": "c", "data": "d", "model": "m"}


def save(folder, *steps):
    for step in steps:
        checkpoints.save(folder, "step", step, {"weights": torch.full((3,), float(step))}, IDENTITY)


def newest(folder, identity=IDENTITY):
    return checkpoints.latest(folder, "step", identity)


def test_what_was_saved_comes_back(tmp_path):
    save(tmp_path, 5)
    found, torn = newest(tmp_path)
    assert (found.step, found.state["weights"].tolist(), torn) == (5, [5.0] * 3, [])


def test_a_folder_without_checkpoints_has_none(tmp_path):
    assert newest(tmp_path / "nowhere") == (None, [])


def test_the_newest_two_are_kept(tmp_path):
    save(tmp_path, 1, 2, 10)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000002", "step-00000010"]


def test_checkpoints_of_another_stage_are_left_alone(tmp_path):
    checkpoints.save(tmp_path, "reward", 3, {}, IDENTITY)
    save(tmp_path, 1, 2, 10)
    assert (tmp_path / "reward-00000003").is_dir()


def test_a_checkpoint_with_a_cut_state_is_torn_and_the_one_before_is_used(tmp_path):
    save(tmp_path, 1, 2)
    state = tmp_path / "step-00000002" / "state.pt"
    state.write_bytes(state.read_bytes()[:-7])
    found, torn = newest(tmp_path)
    assert (found.step, torn) == (1, ["step-00000002"])


def test_a_checkpoint_without_a_manifest_is_torn(tmp_path):
    save(tmp_path, 1, 2)
    (tmp_path / "step-00000002" / "manifest.json").unlink()
    assert newest(tmp_path)[0].step == 1


def test_a_checkpoint_with_half_a_manifest_is_torn(tmp_path):
    save(tmp_path, 1, 2)
    (tmp_path / "step-00000002" / "manifest.json").write_text('{"step": 2, "ident')
    assert newest(tmp_path)[0].step == 1


def test_a_torn_folder_is_written_anew(tmp_path):
    (tmp_path / "step-00000001").mkdir()
    (tmp_path / "step-00000001" / "state.pt").write_text("half")
    save(tmp_path, 1)
    assert newest(tmp_path)[0].step == 1


def test_the_manifest_names_what_the_state_belongs_to(tmp_path):
    save(tmp_path, 1)
    manifest = json.loads((tmp_path / "step-00000001" / "manifest.json").read_text())
    assert manifest["identity"] == IDENTITY
    assert manifest["facts"]["torch"] == torch.__version__


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    save(tmp_path, 1)
    with pytest.raises(EngineError, match="written by a run with other config and model"):
        newest(tmp_path, {**IDENTITY, "config": "x", "model": "y"})


def test_a_state_that_is_no_archive_is_torn_although_its_digest_is_right(tmp_path):
    save(tmp_path, 1, 2)
    folder = tmp_path / "step-00000002"
    (folder / "state.pt").write_bytes(b"no archive")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["state.pt"] = hashlib.sha256(b"no archive").hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    found, torn = newest(tmp_path)
    assert (found.step, torn) == (1, ["step-00000002"])


def test_a_missing_state_is_torn(tmp_path):
    save(tmp_path, 1, 2)
    (tmp_path / "step-00000002" / "state.pt").unlink()
    assert newest(tmp_path)[0].step == 1
