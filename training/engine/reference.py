"""Log-probabilities under the reference, computed once per (data, model, template, length) and shared by all runs.

They stand in a table over the rows of the sealed file, NaN where no run has asked yet. A run computes the rows that
it visits and the table lacks, and writes them back; two runs at once may compute a row twice, never wrongly.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.engine.distributed import agreed
from training.engine.logprobs import answer_log_probs
from training.engine.packing import Example
from training.engine.policy import Policy
from training.engine.run import Run

STAGE = "computing reference log-probabilities"


def reference_log_probs(run: Run, policy: Policy, pairs: Sequence[Example]) -> Tensor:
    """Summed log-probabilities of these pairs [pairs, 2], chosen first, on the CPU.

    `policy` must still be the reference: untrained, a fresh adapter at most.
    """
    path = run.spec.cache_dir / f"reference-{_key(run, policy)}.safetensors"
    table = agreed(_extended(_stored(path), 1 + max((pair.row for pair in pairs), default=-1)))
    missing = [pair for pair in pairs if table[pair.row].isnan().any()]
    if missing:
        run.stage(STAGE)
        table[[pair.row for pair in missing]] = _compute(run, policy, missing)
        table = agreed(_store(path, table))
    return table[[pair.row for pair in pairs]]


def _stored(path: Path) -> Tensor:
    return load_file(path)["log_probs"] if path.is_file() else torch.empty(0, 2)


def _extended(table: Tensor, rows: int) -> Tensor:
    """The table with at least so many rows."""
    return torch.cat([table, torch.full((max(0, rows - len(table)), 2), torch.nan)])


def _store(path: Path, table: Tensor) -> Tensor:
    """Atomically, and returns what is stored: with the values that another run has stored in the meantime.

    They stay, though only rounding tells them from this run's: either run reads them again when it resumes.
    """
    stored = _stored(path)
    stored, table = _extended(stored, len(table)), _extended(table, len(stored))
    table = torch.where(stored.isnan(), table, stored)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({"log_probs": table.contiguous()}, temporary)
    temporary.replace(path)
    return table


def _key(run: Run, policy: Policy) -> str:
    """Digest of everything the values depend on."""
    weights = next(policy.model.parameters())
    facts = [
        "by row",
        run.spec.data_sha256,
        run.identity["model"],
        str(policy.tokenizer.chat_template),
        str(run.spec.config.max_length),
        policy.precision,
        str(weights.dtype),  # under bf16, weights kept in it differ from weights cast to it
    ]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:32]


@torch.no_grad()
def _compute(run: Run, policy: Policy, pairs: list[Example]) -> Tensor:
    """[pairs, 2]; longest first, so that rows of a batch are alike and a batch that cannot fit fails at once."""
    order = sorted(range(len(pairs)), key=lambda i: -pairs[i].length)
    values = torch.empty(len(pairs), 2)
    for part in run.watched(STAGE, policy.passes([pairs[i] for i in order], run.spec.config.tokens_per_pass)):
        rows = [order[i] for i in part]
        batch = policy.collate([pairs[i] for i in rows])
        values[rows] = answer_log_probs(policy, batch).view(-1, 2).cpu()
    return values
