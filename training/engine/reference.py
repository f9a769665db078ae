"""Log-probabilities under the reference, computed once per (data, model, template, length) and shared by all runs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.engine.data import Examples
from training.engine.logprobs import answer_log_probs
from training.engine.packing import Example, split_by_tokens
from training.engine.policy import Policy
from training.engine.run import Run

STAGE = "computing reference log-probabilities"


def reference_log_probs(run: Run, policy: Policy, examples: Examples) -> tuple[Tensor, Tensor]:
    """Of the training and the held-out pairs, [pairs, 2] each, chosen first, on the CPU.

    `policy` must still be the reference: untrained, a fresh adapter at most.
    """
    path = run.spec.cache_dir / f"reference-{_key(run, policy)}.safetensors"
    cached = _cached(path, examples)
    if cached is not None:
        return cached
    run.stage(STAGE)
    values = _compute(run, policy, examples.train + examples.held_out)
    train, held_out = values[: len(examples.train)], values[len(examples.train) :]
    _store(path, train, held_out)
    return train, held_out


def _cached(path: Path, examples: Examples) -> tuple[Tensor, Tensor] | None:
    if not path.is_file():
        return None
    tensors = load_file(path)
    if (len(tensors["train"]), len(tensors["held_out"])) != (len(examples.train), len(examples.held_out)):
        return None
    return tensors["train"], tensors["held_out"]


def _store(path: Path, train: Tensor, held_out: Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({"train": train.contiguous(), "held_out": held_out.contiguous()}, temporary)
    temporary.replace(path)


def _key(run: Run, policy: Policy) -> str:
    """Digest of everything the values depend on."""
    facts = [
        run.spec.data_sha256,
        run.identity["model"],
        str(policy.tokenizer.chat_template),
        str(run.spec.config.max_length),
        policy.precision,
        run.training.tuning if policy.precision == "bf16" else "",  # bf16 weights differ from bf16 autocast
    ]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:32]


@torch.no_grad()
def _compute(run: Run, policy: Policy, pairs: list[Example]) -> Tensor:
    """[pairs, 2]; longest first, so that rows of a batch are alike and a batch that cannot fit fails at once."""
    order = sorted(range(len(pairs)), key=lambda i: -pairs[i].length)
    values = torch.empty(len(pairs), 2)
    for part in run.watched(STAGE, split_by_tokens([pairs[i] for i in order], run.spec.config.tokens_per_pass)):
        rows = [order[i] for i in part]
        batch = policy.collate([pairs[i] for i in rows])
        values[rows] = answer_log_probs(policy, batch).view(-1, 2).cpu()
    return values
