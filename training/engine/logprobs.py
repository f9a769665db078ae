"""Log-probabilities of answers: the only place where labels are shifted, masked and met with the LM head.

The head runs on the positions that predict answer tokens and on nothing else, in chunks, so that logits of shape
[batch, length, vocabulary] never exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from training.engine.lm_head import rows_at_once, target_log_probs

if TYPE_CHECKING:
    from training.engine.packing import Batch
    from training.engine.policy import Head, Policy


def predicting_positions(prompt_end: int, answer_start: int, length: int) -> np.ndarray:
    """Positions whose hidden states predict the `length` tokens of an answer that starts at `answer_start`.

    Token t is predicted by the state before it: the first by the prompt's last position, the others by their
    neighbours. This is the label shift; everything else only gathers.
    """
    return np.concatenate(([prompt_end - 1], np.arange(answer_start, answer_start + length - 1)))


def answer_log_probs(policy: Policy, batch: Batch, *, temperature: float = 1.0) -> Tensor:
    """Summed log-probability of every answer of the batch [answers], fp32, differentiable."""
    tokens = token_log_probs(policy, batch, temperature=temperature)
    return tokens.new_zeros(batch.answers).index_add(0, batch.answer_of, tokens)


def token_log_probs(policy: Policy, batch: Batch, *, temperature: float = 1.0) -> Tensor:
    """Log-probability of every answer token [tokens], fp32, in the order of `batch.targets`."""
    return policy.as_forward(_token_log_probs, policy, batch, temperature)


def _token_log_probs(policy: Policy, batch: Batch, temperature: float) -> Tensor:
    states = policy.hidden_states(batch).index_select(0, batch.sources)
    with policy.autocast():
        return head_log_probs(policy.head, states, batch.targets, temperature=temperature)


def head_log_probs(head: Head, states: Tensor, targets: Tensor, *, temperature: float = 1.0) -> Tensor:
    """log softmax(head(states) / temperature) at the targets; states [n, hidden], targets [n] -> [n], fp32."""
    if head.weight is not None:
        return target_log_probs(states, head.weight, targets, factor=head.scale / temperature)
    rows = rows_at_once(head.vocabulary, states.device)
    chunks = zip(states.split(rows), targets.split(rows), strict=True)
    parts = [checkpoint(_chunk_log_probs, head, s, t, temperature, use_reentrant=False) for s, t in chunks]
    return torch.cat(parts)


def _chunk_log_probs(head: Head, states: Tensor, targets: Tensor, temperature: float) -> Tensor:
    logits = head(states).float()
    return -F.cross_entropy(logits / temperature if temperature != 1.0 else logits, targets, reduction="none")
