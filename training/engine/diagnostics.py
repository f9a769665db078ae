"""What an expert looks at while a method trains, computed on a fixed slice of held-out pairs.

Definitions (delta = log pi(chosen) - log pi(rejected); methods.md, section 5): a pair is pessimistic when the
reference ranks it wrongly (delta_ref < 0), and undesirable when training has improved it, so that DPO's loss is
below its start, and the policy still ranks it wrongly (delta_ref < delta_theta < 0). The implicit reward of an answer
is log pi - log pi_ref. training/diagnosis/ says what each number means and when it is alarming.
"""

from __future__ import annotations

import json

import torch
from torch import Tensor

from training.engine.artifacts import write_atomically
from training.engine.logprobs import answer_log_probs
from training.engine.packing import Example
from training.engine.policy import Policy
from training.engine.run import Run

ROUNDING = 0.01
"""Nats by which a margin must differ from the reference's to count as moved: packing and bf16 round differently."""


def margins(log_probs: Tensor) -> Tensor:
    """log pi(chosen) - log pi(rejected) [n] of log-probabilities [n, 2]."""
    return log_probs[:, 0] - log_probs[:, 1]


def undesirable(delta: Tensor, delta_ref: Tensor) -> Tensor:
    """Which pairs lie in delta_ref < delta_theta < 0 [n], beyond rounding."""
    return (delta > delta_ref + ROUNDING) & (delta < 0)


def contradicted_share(gains: Tensor) -> Tensor:
    """Of the half of the pairs with the largest |gain|, the share with a negative one; gains [n] -> scalar.

    Scale-free: a policy that is merely unsure errs where gains are small, flipped labels err at any size. So on pairs
    that were not trained on this tends to the flip rate as the policy learns.
    """
    surest = gains[gains.abs().topk(max(1, len(gains) // 2)).indices]
    return (surest < -ROUNDING).float().mean()


def lengths_of(pairs: list[Example]) -> Tensor:
    """Tokens of each answer [n, 2], chosen first."""
    return torch.tensor([[len(answer) for answer in pair.answers] for pair in pairs]).view(-1, 2)


def pair_diagnostics(policy: Tensor, reference: Tensor, lengths: Tensor) -> dict[str, float]:
    """Shares and means over pairs: summed log-probabilities [n, 2] twice and tokens [n, 2], chosen first."""
    if not len(policy):
        return {}
    delta, delta_ref = margins(policy), margins(reference)
    displacement = policy - reference
    per_token = displacement / lengths
    values = {
        "ranking_accuracy": (delta > 0).float().mean(),
        "ranking_accuracy_per_token": (margins(policy / lengths) > 0).float().mean(),
        "reference_ranking_accuracy": (delta_ref > 0).float().mean(),
        "reference_ranking_accuracy_per_token": (margins(reference / lengths) > 0).float().mean(),
        "implicit_reward_accuracy": (delta > delta_ref + ROUNDING).float().mean(),
        "margin": delta.mean(),
        "margin_gain": (delta - delta_ref).mean(),
        "undesirable_share": undesirable(delta, delta_ref).float().mean(),
        "pessimistic_share": (delta_ref < 0).float().mean(),
        "contradicted_share": contradicted_share(delta - delta_ref),
        "chosen_displacement": displacement[:, 0].mean(),
        "rejected_displacement": displacement[:, 1].mean(),
        "chosen_displacement_per_token": per_token[:, 0].mean(),
        "rejected_displacement_per_token": per_token[:, 1].mean(),
    }
    return {f"held_out/{name}": float(value) for name, value in values.items()}


def look(run: Run, pairs: list[Example], log_probs: Tensor, reference: Tensor) -> dict[str, float]:
    """The diagnostics of the held-out pairs, whose values are kept for alarms to point at."""
    _write_evidence(run, "held_out", pairs, log_probs, reference)
    return pair_diagnostics(log_probs, reference, lengths_of(pairs))


def reward_look(run: Run, pairs: list[Example], scores: Tensor) -> dict[str, float]:
    """What of a reward model's scores [n, 2] is no matter of the scores alone; keeps them for alarms to point at."""
    if not pairs:
        return {}
    _write_evidence(run, "reward", pairs, scores, torch.zeros_like(scores))
    return {"contradicted_share": float(contradicted_share(margins(scores)))}


def _write_evidence(run: Run, name: str, pairs: list[Example], policy: Tensor, reference: Tensor) -> None:
    """RUN_DIR/evidence/<name>.json: the latest values of every pair, by its row in the sealed file."""
    values = zip(pairs, policy.tolist(), reference.tolist(), lengths_of(pairs).tolist(), strict=True)
    rows = [{"row": pair.row, "policy": p, "reference": r, "lengths": n} for pair, p, r, n in values]
    folder = run.folder / "evidence"
    folder.mkdir(exist_ok=True)
    write_atomically(folder / f"{name}.json", json.dumps({"pairs": rows}))


@torch.no_grad()
def pair_log_probs(policy: Policy, pairs: list[Example], tokens_per_pass: int) -> Tensor:
    """Summed log-probabilities [pairs, 2] of all pairs, chosen first, on the CPU."""
    parts = []
    for part in policy.passes(pairs, tokens_per_pass):
        batch = policy.collate([pairs[i] for i in part])
        parts.append(answer_log_probs(policy, batch).view(-1, 2).cpu())
    return torch.cat(parts) if parts else torch.empty(0, 2)
