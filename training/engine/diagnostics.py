"""What an expert looks at while a method trains, computed on a fixed slice of held-out pairs.

Definitions (delta = log pi(chosen) - log pi(rejected); methods.md, section 5): a pair is pessimistic when the
reference ranks it wrongly (delta_ref < 0), and undesirable when training has improved it, so that DPO's loss is
below its start, and the policy still ranks it wrongly (delta_ref < delta_theta < 0).
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.engine.logprobs import answer_log_probs
from training.engine.packing import Example, split_by_tokens
from training.engine.policy import Policy

ROUNDING = 0.01
"""Nats by which a margin must differ from the reference's to count as moved: packing and bf16 round differently."""


def margins(log_probs: Tensor) -> Tensor:
    """log pi(chosen) - log pi(rejected) [n] of log-probabilities [n, 2]."""
    return log_probs[:, 0] - log_probs[:, 1]


def undesirable(delta: Tensor, delta_ref: Tensor) -> Tensor:
    """Which pairs lie in delta_ref < delta_theta < 0 [n], beyond rounding."""
    return (delta > delta_ref + ROUNDING) & (delta < 0)


def pair_diagnostics(policy: Tensor, reference: Tensor) -> dict[str, float]:
    """Shares and means over pairs; both arguments are summed log-probabilities [n, 2], chosen first."""
    if not len(policy):
        return {}
    delta, delta_ref = margins(policy), margins(reference)
    displacement = policy - reference
    values = {
        "ranking_accuracy": (delta > 0).float().mean(),
        "reference_ranking_accuracy": (delta_ref > 0).float().mean(),
        "implicit_reward_accuracy": (delta > delta_ref + ROUNDING).float().mean(),
        "margin": delta.mean(),
        "margin_gain": (delta - delta_ref).mean(),
        "undesirable_share": undesirable(delta, delta_ref).float().mean(),
        "pessimistic_share": (delta_ref < 0).float().mean(),
        "chosen_displacement": displacement[:, 0].mean(),
        "rejected_displacement": displacement[:, 1].mean(),
    }
    return {f"held_out/{name}": float(value) for name, value in values.items()}


@torch.no_grad()
def pair_log_probs(policy: Policy, pairs: list[Example], tokens_per_pass: int) -> Tensor:
    """Summed log-probabilities [pairs, 2] of all pairs, chosen first, on the CPU."""
    parts = []
    for part in split_by_tokens(pairs, tokens_per_pass):
        batch = policy.collate([pairs[i] for i in part])
        parts.append(answer_log_probs(policy, batch).view(-1, 2).cpu())
    return torch.cat(parts) if parts else torch.empty(0, 2)
