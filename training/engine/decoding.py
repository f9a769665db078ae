"""Growing a batch of sequences token by token over a key-value cache: how a policy writes answers.

Two decoders with one interface. `FusedDecoder` serves the Llama family while it is small: there a step is mostly the
price of calling things, so it works on merged weights (adapter in, q, k and v in one matrix) and a cache of fixed
size: 40 ms of processor time for 64 answers of 14 tokens against 61 (0.9M parameters). `CacheDecoder` serves every
other model through Transformers' own forward pass.

Prompts are padded on the left, so that all answers grow from the same column, and encoded once for all their answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache

from training.engine.policy import Policy

FUSED_BYTES = 512 << 20
"""Largest fp32 copy of the weights that is made for speed; above it a step's arithmetic outweighs its calls."""

FUSED_TYPES = {"llama", "mistral", "qwen2", "qwen3"}
LENGTH_DEPENDENT_ROPE = {"dynamic", "longrope"}

Pair = tuple[Tensor, Tensor]


class Decoder(Protocol):
    """The state of a batch of growing sequences, one per row."""

    def start(self) -> Tensor:
        """Encode the prompts; the logits [rows, vocabulary] of every answer's first token, fp32."""

    def advance(self, tokens: Tensor) -> Tensor:
        """Append a token per row [rows]; the logits [rows, vocabulary] of the next, fp32."""

    def keep(self, live: Tensor) -> Tensor:
        """Go on with the rows of which `live` [rows] says so; returns which row now stands where."""


def decoder_for(policy: Policy, prompts: Sequence[tuple[int, ...]], count: int, max_new_tokens: int) -> Decoder:
    """A decoder of `count` answers to each prompt, each at most `max_new_tokens` long."""
    prompted = _Prompted.of(prompts, count, policy.device)
    if _can_fuse(policy):
        return FusedDecoder(policy, prompted, max_new_tokens)
    return CacheDecoder(policy, prompted)


@dataclass(frozen=True, slots=True)
class _Prompted:
    """Left-padded prompts: tokens, mask and positions, each [prompts, width]."""

    tokens: Tensor
    mask: Tensor
    positions: Tensor
    count: int

    @classmethod
    def of(cls, prompts: Sequence[tuple[int, ...]], count: int, device: torch.device) -> _Prompted:
        width = max(map(len, prompts))
        tokens = torch.tensor([(0,) * (width - len(p)) + p for p in prompts])
        mask = torch.tensor([(False,) * (width - len(p)) + (True,) * len(p) for p in prompts])
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        return cls(tokens.to(device), mask.to(device), positions.to(device), count)

    def per_answer(self, values: Tensor) -> Tensor:
        return values.repeat_interleave(self.count, dim=0)


class CacheDecoder:
    """Any causal language model, by Transformers' forward pass and its growing cache."""

    def __init__(self, policy: Policy, prompted: _Prompted) -> None:
        self._policy, self._prompted = policy, prompted
        self._cache = DynamicCache(config=policy.model.config)
        self._mask = prompted.mask.long()

    def start(self) -> Tensor:
        prompted = self._prompted
        logits = self._forward(prompted.tokens, prompted.positions)
        self._cache.batch_repeat_interleave(prompted.count)
        self._mask = prompted.per_answer(self._mask)
        self._position = prompted.per_answer(prompted.positions[:, -1:])
        return prompted.per_answer(logits)

    def advance(self, tokens: Tensor) -> Tensor:
        self._position = self._position + 1
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        return self._forward(tokens[:, None], self._position)

    def keep(self, live: Tensor) -> Tensor:
        index = live.nonzero().squeeze(1)
        self._cache.batch_select_indices(index)
        self._mask, self._position = self._mask[index], self._position[index]
        return index

    def _forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        with self._policy.autocast():
            output = self._policy.model(
                input_ids=tokens,
                attention_mask=self._mask,
                position_ids=positions,
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        logits: Tensor = output.logits
        return logits[:, -1].float()


def _can_fuse(policy: Policy) -> bool:
    """Whether the model is one that FusedDecoder knows by heart, and small."""
    model = policy.model
    config = model.config
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        config.model_type in FUSED_TYPES
        and rope.get("rope_type", "default") not in LENGTH_DEPENDENT_ROPE
        and getattr(config, "sliding_window", None) is None
        and 4 * sum(p.numel() for p in model.parameters()) <= FUSED_BYTES
    )


@dataclass(frozen=True, slots=True)
class _Layer:
    """A transformer layer's weights in fp32, with the adapter merged in; biases are None where there are none."""

    before_attention: Tensor
    qkv: tuple[Tensor, Tensor | None]
    query_norm: Tensor | None
    key_norm: Tensor | None
    output: tuple[Tensor, Tensor | None]
    before_mlp: Tensor
    gate_up: tuple[Tensor, Tensor | None]
    down: tuple[Tensor, Tensor | None]


def _merged(*modules: Any) -> tuple[Tensor, Tensor | None]:
    """Weights of linear layers below each other, each with its LoRA product added."""
    bases = [getattr(m, "base_layer", m) for m in modules]
    weights = [b.weight.detach().float() for b in bases]
    for i, module in enumerate(modules):
        for name in getattr(module, "active_adapters", []) if hasattr(module, "base_layer") else []:
            weights[i] = weights[i] + module.get_delta_weight(name).detach().float()
    biases = [b.bias for b in bases]
    return torch.cat(weights), None if biases[0] is None else torch.cat([b.detach().float() for b in biases])


def _layer(layer: Any) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    norm = lambda module: None if module is None else module.weight.detach().float()  # noqa: E731
    return _Layer(
        layer.input_layernorm.weight.detach().float(),
        _merged(attention.q_proj, attention.k_proj, attention.v_proj),
        norm(getattr(attention, "q_norm", None)),
        norm(getattr(attention, "k_norm", None)),
        _merged(attention.o_proj),
        layer.post_attention_layernorm.weight.detach().float(),
        _merged(mlp.gate_proj, mlp.up_proj),
        _merged(mlp.down_proj),
    )


class FusedDecoder:
    """Llama, Mistral, Qwen2 and Qwen3 in fp32, whatever the trainer's precision: RMS norm, RoPE, grouped queries, GLU.

    Cache: [layers, keys and values, rows, key-value heads, prompt width + new tokens, head size], written in place.
    """

    def __init__(self, policy: Policy, prompted: _Prompted, max_new_tokens: int) -> None:
        model = policy.model
        body, config = model.base_model, model.config
        self._prompted, self._head = prompted, policy.head
        self._layers = [_layer(layer) for layer in body.layers]
        self._embedding = body.embed_tokens.weight.detach().float()
        self._norm = body.norm.weight.detach().float()
        self._activation: nn.Module = body.layers[0].mlp.act_fn
        self._epsilon: float = config.rms_norm_eps
        self._heads: int = config.num_attention_heads
        self._groups: int = config.num_key_value_heads
        self._size: int = body.layers[0].self_attn.head_dim
        self._width = prompted.tokens.shape[1]
        self._length = self._width + max_new_tokens
        every = torch.arange(self._length, device=policy.device)[None]
        cosines, sines = body.rotary_emb(self._embedding, every)
        # x cos + rotate_half(x) sin, where rotate_half swaps the halves and negates the first
        half = self._size // 2
        self._cosines = cosines[0]
        self._sines = torch.cat([-sines[0, :, :half], sines[0, :, half:]], dim=-1)

    def start(self) -> Tensor:
        prompted, width = self._prompted, self._width
        self._column = 0
        self._cache = self._empty_cache(len(prompted.tokens), width)
        causal = torch.ones(width, width, dtype=torch.bool, device=prompted.mask.device).tril()
        # A padded position sees itself, so that no row of the softmax is empty; nothing reads what comes of it.
        own = torch.eye(width, dtype=torch.bool, device=causal.device)
        mask = (prompted.mask[:, None, :] & causal | own)[:, None]
        logits = self._forward(prompted.tokens, prompted.positions, mask)
        prompts, self._cache = self._cache, self._empty_cache(len(logits) * prompted.count, self._length)
        self._cache[..., :width, :] = prompts.repeat_interleave(prompted.count, dim=2)
        self._column = width
        self._position = prompted.per_answer(prompted.positions[:, -1:])
        self._mask = F.pad(prompted.per_answer(prompted.mask), (0, self._length - width), value=True)[:, None, None]
        self._padded = not bool(prompted.mask.all())
        return prompted.per_answer(logits)

    def advance(self, tokens: Tensor) -> Tensor:
        self._position = self._position + 1
        mask = self._mask[..., : self._column + 1] if self._padded else None
        return self._forward(tokens[:, None], self._position, mask)

    def keep(self, live: Tensor) -> Tensor:
        """Rows from the end fill the gaps, so that little of the cache is copied."""
        rows = int(live.sum())
        gaps, last = (~live[:rows]).nonzero().squeeze(1), live[rows:].nonzero().squeeze(1) + rows
        index = torch.arange(rows, device=live.device)
        index[gaps] = last
        written = self._cache[..., : self._column, :]
        written[:, :, gaps] = written[:, :, last]
        self._cache = self._cache[:, :, :rows]
        self._mask, self._position = self._mask[index], self._position[index]
        return index

    def _empty_cache(self, rows: int, length: int) -> Tensor:
        return self._norm.new_empty(len(self._layers), 2, rows, self._groups, length, self._size)

    def _forward(self, tokens: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:
        """Logits [rows, vocabulary] after the last of `tokens` [rows, L], which join the cache."""
        x = F.embedding(tokens, self._embedding)
        rotation = self._cosines[positions][:, :, None], self._sines[positions][:, :, None]
        for layer, cache in zip(self._layers, self._cache, strict=True):
            x = x + self._attend(layer, cache, self._normalised(x, layer.before_attention), rotation, mask)
            gate, up = F.linear(self._normalised(x, layer.before_mlp), *layer.gate_up).chunk(2, dim=-1)
            x = x + F.linear(self._activation(gate).mul_(up), *layer.down)
        self._column += tokens.shape[1]
        return self._head(self._normalised(x[:, -1], self._norm).to(self._head_dtype)).float()

    def _attend(
        self,
        layer: _Layer,
        cache: Tensor,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None,
    ) -> Tensor:
        rows, length, _ = x.shape
        mixed = F.linear(x, *layer.qkv).view(rows, length, -1, self._size)
        queries_keys, values = mixed.split([self._heads + self._groups, self._groups], dim=2)
        if layer.query_norm is not None and layer.key_norm is not None:
            queries, keys = queries_keys.split([self._heads, self._groups], dim=2)
            both = self._normalised(queries, layer.query_norm), self._normalised(keys, layer.key_norm)
            queries_keys = torch.cat(both, dim=2)
        cosines, sines = rotation
        turned = (queries_keys * cosines).addcmul_(queries_keys.roll(self._size // 2, dims=-1), sines)
        queries, keys = turned.transpose(1, 2).split([self._heads, self._groups], dim=1)
        end = self._column + length
        cache[0][:, :, self._column : end] = keys
        cache[1][:, :, self._column : end] = values.transpose(1, 2)
        seen = F.scaled_dot_product_attention(
            queries, cache[0][:, :, :end], cache[1][:, :, :end], mask, enable_gqa=self._heads != self._groups
        )
        return F.linear(seen.transpose(1, 2).reshape(rows, length, -1), *layer.output)

    def _normalised(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self._epsilon)

    @property
    def _head_dtype(self) -> torch.dtype:
        weight: Tensor = self._head.linear.get_parameter("weight")
        return weight.dtype  # bf16 where a base is frozen under LoRA
