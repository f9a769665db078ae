"""What the comparison of a GPU with a CPU is made of; on a machine without one both sides are the CPU."""

from __future__ import annotations

import json

import pytest
import torch

from bench.train import agreement, agreement_of_heads


def test_curves_are_read_from_the_events_of_a_run(tmp_path):
    events = [
        {"kind": "phase", "step": 0, "name": "training"},
        {"kind": "metrics", "step": 1, "values": {"train/loss": 0.7, "train/grad_norm": 2.0}},
        {"kind": "metrics", "step": 2, "values": {"train/loss": 0.6}},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    found = agreement.curves(tmp_path / "events.jsonl")
    assert found == {"train/loss": [0.7, 0.6], "train/grad_norm": [2.0]}


def test_a_module_that_fails_says_its_last_words():
    with pytest.raises(RuntimeError, match="ended with 4"):
        agreement.run_module("training.engine", "nowhere")


def test_the_definition_of_a_heads_gradients_is_that_of_automatic_differentiation():
    torch.manual_seed(1)
    h, w = torch.randn(6, 4, dtype=torch.float64), torch.randn(9, 4, dtype=torch.float64)
    targets = torch.randint(9, (6,))
    states, weight = h.clone().requires_grad_(), w.clone().requires_grad_()
    log_probs = (states @ weight.t()).log_softmax(-1).gather(1, targets[:, None]).squeeze(1)
    wanted = [log_probs.detach(), *torch.autograd.grad(log_probs.mean(), [states, weight])]
    found = agreement_of_heads._by_definition(h, w, targets)
    assert all(torch.allclose(one, other) for one, other in zip(found, wanted, strict=True))
