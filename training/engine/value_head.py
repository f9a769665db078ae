"""PPO's critic: a linear head on the policy's own body that guesses the reward still to come at every token.

On the policy's body and not on a model of its own: a fourth model would double what is trained, and the body that
writes an answer already knows where it is going. Its loss therefore moves the body too, by `value_weight`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.engine.logprobs import head_log_probs
from training.engine.packing import Batch
from training.engine.policy import Policy


def fresh_value_head(policy: Policy) -> nn.Linear:
    """Weights of 0: every value starts at 0, the mean of calibrated rewards, and the body is at first left alone."""
    width: int = policy.model.get_output_embeddings().weight.shape[-1]
    head = nn.Linear(width, 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head.to(policy.device)


def trained_by_name(head: nn.Linear) -> dict[str, Tensor]:
    """The head's weights under the names they have in a checkpoint."""
    return {f"value_head.{name}": parameter for name, parameter in head.named_parameters()}


def log_probs_and_values(policy: Policy, head: nn.Linear, batch: Batch, *, temperature: float) -> tuple[Tensor, Tensor]:
    """Of every answer token: its log-probability, and the value of the state before it; both [tokens], fp32."""
    both = policy.as_forward(_log_probs_and_values, policy, head, batch, temperature)
    return both[0], both[1]


def _log_probs_and_values(policy: Policy, head: nn.Linear, batch: Batch, temperature: float) -> Tensor:
    states = policy.hidden_states(batch).index_select(0, batch.sources)
    with policy.autocast():
        log_probs = head_log_probs(policy.head, states, batch.targets, temperature=temperature)
    with torch.autocast(policy.device.type, enabled=False):
        return torch.stack([log_probs, head(states.float()).squeeze(1)])
