"""Reference log-probabilities: computed once per row, whichever method and limit of steps asks first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.training.engine.conftest import colour_rows, events, open_run, train_here
from training.engine import reference
from training.engine.data import load_examples
from training.engine.diagnostics import pair_log_probs
from training.engine.policy import load_policy
from training.engine.reference import STAGE, reference_log_probs

QUIET = {"sample_count": 0, "probe_prompts": 0}


def computed(folder: Path) -> bool:
    return STAGE in [event["name"] for event in events(folder, "stage")]


def stored(tmp_path: Path) -> Tensor:
    [path] = (tmp_path / "cache").glob("reference-*.safetensors")
    return load_file(path)["log_probs"]


def rows_known(tmp_path: Path) -> int:
    return int((~stored(tmp_path).isnan()).all(dim=1).sum())


def opened(folder: Path):
    run = open_run(folder)
    policy = load_policy(run.spec.model_path, run.training)
    return run, policy, load_examples(run, policy, paired=True)


def test_the_values_are_those_of_the_base_stored_or_not(make_run):
    run, policy, examples = opened(make_run("dpo"))
    pairs = [*examples.held_out, *examples.train[:5]]
    assert torch.allclose(reference_log_probs(run, policy, pairs), pair_log_probs(policy, pairs, 8192), rtol=1e-5)
    again = [pairs[i] for i in (6, 0, 3)]
    assert torch.allclose(reference_log_probs(run, policy, again), pair_log_probs(policy, again, 8192), rtol=1e-5)


def test_constrained_cpo_after_dpo_on_the_same_data_computes_nothing(make_run):
    first, second = make_run("dpo", max_steps=5, **QUIET), make_run("cpo", name="cpo", max_steps=5, **QUIET)
    assert train_here(first) == train_here(second) == 0
    assert (computed(first), computed(second)) == (True, False)


def test_only_rows_that_the_run_visits_are_computed(make_run, tmp_path):
    """Two steps of 8 of the 32 training rows, and all 8 that are held out."""
    assert train_here(make_run("dpo", max_steps=2, **QUIET)) == 0
    assert rows_known(tmp_path) == 16 + 8


def test_a_longer_run_adds_the_rows_that_are_missing(make_run, tmp_path):
    assert train_here(make_run("dpo", max_steps=2, **QUIET)) == 0
    before = stored(tmp_path)
    longer = make_run("dpo", name="longer", epochs=1, **QUIET)
    assert train_here(longer) == 0
    assert computed(longer)
    assert rows_known(tmp_path) == 40
    known = ~before.isnan()
    assert torch.equal(stored(tmp_path)[known], before[known])


@pytest.mark.parametrize("method", ["contrastive_cpo", "simpo"])
def test_without_a_reference_in_the_loss_only_the_held_out_slice_is_computed(make_run, tmp_path, method):
    assert train_here(make_run(method, max_steps=4, **QUIET)) == 0
    assert rows_known(tmp_path) == 8


def test_another_length_template_or_data_has_values_of_its_own(make_run, tmp_path):
    train_here(make_run("dpo", max_steps=1, **QUIET))
    changes: dict[str, dict[str, Any]] = {"length": {"max_length": 48}, "data": {"rows": colour_rows(16)}}
    for name, change in changes.items():
        other = make_run("dpo", name=name, max_steps=1, **QUIET, **change)
        assert train_here(other) == 0
        assert computed(other), name
    run, policy, examples = opened(make_run("dpo", name="template", max_steps=1, **QUIET))
    policy.tokenizer.chat_template += " "
    reference_log_probs(run, policy, examples.train)
    assert len(list((tmp_path / "cache").glob("reference-*.safetensors"))) == 4


def test_what_another_run_stored_in_the_meantime_is_kept(tmp_path):
    path, nan = tmp_path / "table.safetensors", torch.nan
    reference._store(path, torch.tensor([[1.0, 2.0], [nan, nan], [5.0, 6.0]]))
    reference._store(path, torch.tensor([[nan, nan], [3.0, 4.0]]))
    assert load_file(path)["log_probs"].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert [p.name for p in tmp_path.iterdir()] == ["table.safetensors"]


def test_of_a_row_that_two_runs_computed_both_go_on_with_what_was_stored_first(tmp_path):
    """Rounding depends on what else is in a pass; a run that resumes reads the file, and must find what it had."""
    path, nan = tmp_path / "table.safetensors", torch.nan
    reference._store(path, torch.tensor([[1.0, 2.0], [nan, nan]]))
    used = reference._store(path, torch.tensor([[1.5, 2.5], [3.0, 4.0]]))
    assert used.tolist() == load_file(path)["log_probs"].tolist() == [[1, 2], [3, 4]]
