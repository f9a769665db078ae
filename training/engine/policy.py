"""Models: loading a base, LoRA on it, the LM head, and what precision and device mean for the forward pass.

Weights trained in full stay in fp32 and bf16 means autocast; a base frozen under LoRA is kept in bf16 then. Dropout
is off everywhere (evaluation mode), so that policy, reference and server compute the same function.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging as transformers_logging

from training.config import RunConfig, SFTConfig, TrainingConfig
from training.engine.attention import SEGMENTED
from training.engine.errors import EngineError
from training.engine.fused import use_fused_layers
from training.engine.packing import Batch, Example, pack, split_by_tokens
from training.engine.products import FastLinear, use_fast_products

transformers_logging.disable_progress_bar()  # trainer.log is not a terminal


@dataclass(frozen=True)
class Head:
    """The LM head with what some architectures do to its output (Gemma caps it, Cohere and Granite scale it)."""

    linear: nn.Module
    vocabulary: int
    scale: float = 1.0
    cap: float | None = None

    @property
    def weight(self) -> Tensor | None:
        """[vocabulary, hidden] where the head is a scaled matrix product and nothing more; else None."""
        linear: Any = self.linear
        plain = type(linear) in (nn.Linear, FastLinear) and linear.bias is None and self.cap is None
        return linear.weight if plain and type(linear.weight) is nn.Parameter else None

    def __call__(self, states: Tensor) -> Tensor:
        """Logits [n, vocabulary] of hidden states [n, hidden]."""
        logits: Tensor = self.linear(states)
        if self.scale != 1.0:
            logits = logits * self.scale
        if self.cap is not None:
            logits = torch.tanh(logits / self.cap) * self.cap
        return logits


@dataclass
class Policy:
    """A causal language model with its tokenizer. `adapter` is the PEFT wrapper of the same modules, if any."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    precision: str
    adapter: Any | None = None
    packed: bool = True
    sharded: bool = False  # over several devices, by distributed.shard
    recomputed: tuple[nn.Module, ...] = ()  # layers whose activations the backward pass computes again
    _within: bool = field(default=False, init=False)

    @property
    def head(self) -> Head:
        return _head(self.model)

    @property
    def context_length(self) -> int:
        """Most tokens the model has positions for."""
        return int(getattr(self.model.config, "max_position_embeddings", None) or 1 << 30)

    @property
    def dtype(self) -> torch.dtype:
        """Format in which activations meet the attention mask."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def as_forward(self, function: Callable[..., Tensor], *args: Any) -> Tensor:
        """Call something that uses several parts of the model as one forward pass of it.

        Where weights are sharded this gathers those of body and head together; else it is a plain call.
        """
        if not self.sharded or self._within:
            return function(*args)
        self._within = True
        try:
            result: Tensor = self.model.call(function, *args)
        finally:
            self._within = False
        return result

    def hidden_states(self, batch: Batch) -> Tensor:
        """Last hidden states [R * L, hidden] of a batch on this policy's device."""
        return self.as_forward(self._hidden_states, batch)

    def _hidden_states(self, batch: Batch) -> Tensor:
        with self.autocast(), self._recomputing():
            output = self.model.base_model(
                input_ids=batch.tokens, position_ids=batch.positions, use_cache=False, **self._attention(batch)
            )
        states: Tensor = output.last_hidden_state
        return states.flatten(0, 1)

    def _attention(self, batch: Batch) -> dict[str, Any]:
        """What tells the model's attention which tokens see each other."""
        if not (batch.packed and self._segmented and len(batch.tokens) == 1):
            return {"attention_mask": batch.attention_mask(self.dtype)}
        # Transformers hands a mask of four dimensions on as it is; with none it would make one of all positions.
        return {"attention_mask": batch.tokens.new_empty(1, 1, 1, 1), "segments": batch.segments()}

    @property
    def _segmented(self) -> bool:
        return bool(self.model.config._attn_implementation == SEGMENTED)

    @contextmanager
    def _recomputing(self) -> Iterator[None]:
        """Transformers recomputes layers in training mode only; nothing else of the model is ever in it."""
        for layer in self.recomputed:
            layer.training = torch.is_grad_enabled()
        yield
        for layer in self.recomputed:
            layer.training = False

    def collate(self, examples: Sequence[Example]) -> Batch:
        return pack(examples, packed=self.packed, one_row=self._segmented).to(self.device)

    def passes(self, examples: Sequence[Example], most: int, devices: int = 1) -> list[list[int]]:
        """Indices of the examples of each forward pass of at most `most` tokens; shares of `devices` are alike."""
        return split_by_tokens(examples, most, packed=self.packed, ways=devices)

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and weights that the optimizer moves."""
        return ((name, p) for name, p in self.model.named_parameters() if p.requires_grad)

    def parameter_counts(self) -> tuple[int, int]:
        """All weights, and those that are trained."""
        return sum(p.numel() for p in self.model.parameters()), sum(p.numel() for _, p in self.trained())


def load_policy(model_path: str, config: RunConfig) -> Policy:
    """Load the base in the run's precision, with every weight frozen; raises EngineError when it cannot be used."""
    from_scratch = isinstance(config, SFTConfig) and config.from_scratch
    _check_folder(model_path, needs_weights=not from_scratch)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    full = isinstance(config, TrainingConfig) and config.tuning == "full"
    dtype = torch.bfloat16 if config.precision == "bf16" and not full else torch.float32
    tokenizer = _load_tokenizer(model_path)
    model = _random_model(model_path, config.seed) if from_scratch else _load_model(model_path, dtype)
    if device.type == "cpu":
        model.set_attn_implementation(SEGMENTED)
        use_fast_products(model)
        use_fused_layers(model)
    model = model.to(device).eval().requires_grad_(False)
    policy = Policy(model, tokenizer, device, config.precision)
    _check_head(policy)
    policy.packed = _takes_block_masks(policy)
    return policy


def make_trainable(policy: Policy, config: TrainingConfig) -> None:
    """Add a fresh adapter, or unfreeze every weight, as the configuration says."""
    if config.gradient_checkpointing:
        policy.model.gradient_checkpointing_enable({"use_reentrant": False})
        policy.recomputed = tuple(m for m in policy.model.modules() if isinstance(m, GradientCheckpointingLayer))
    if config.tuning == "full":
        policy.model.requires_grad_(True)
        return
    policy.adapter = add_adapter(policy.model, config)


def add_adapter(model: PreTrainedModel, config: TrainingConfig) -> Any:
    """A new LoRA adapter on all linear layers but the LM head, in place; the form that vLLM loads.

    Its output is zero at first, so the adapted model starts as its base.
    """
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(config.seed)
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=0.0,
        target_modules=_linear_layers(model),
        task_type="CAUSAL_LM",
        fan_in_fan_out=model.config.model_type == "gpt2",
    )
    return get_peft_model(model, lora).eval()


def _linear_layers(model: PreTrainedModel) -> list[str]:
    """The short names of all linear layers but the LM head: q_proj, k_proj, ... in a Llama."""
    head = model.get_output_embeddings()
    linear = {name for name, m in model.named_modules() if isinstance(m, nn.Linear | Conv1D) and m is not head}
    return sorted({name.rsplit(".", 1)[-1] for name in linear})


def frozen_copy(policy: Policy, *, share_weights: bool) -> Policy:
    """The policy as it stands, without gradients: same weights in memory (for LoRA) or copied ones.

    Take it before an adapter is added: modules are always copied, so the adapter stays out of the copy.
    """
    shared = {id(t): t for t in (*policy.model.parameters(), *policy.model.buffers())} if share_weights else {}
    model = copy.deepcopy(policy.model, shared)
    if not share_weights:
        model.requires_grad_(False)
    return Policy(model, policy.tokenizer, policy.device, policy.precision, packed=policy.packed)


def _head(model: PreTrainedModel) -> Head:
    linear, config = model.get_output_embeddings(), model.config
    scale = getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1)
    cap = getattr(config, "final_logit_softcapping", None)
    return Head(linear, config.get_text_config().vocab_size, float(scale), cap)


def _check_folder(model_path: str, *, needs_weights: bool) -> None:
    folder = Path(model_path)
    if not folder.is_dir():
        if folder.is_absolute() or model_path.startswith(".") or model_path.count("/") > 1:
            raise EngineError(
                f"The model folder {model_path} does not exist.", "Register a folder that this host can read."
            )
        return  # a name on the model hub
    if not (folder / "config.json").is_file():
        raise EngineError(
            f"The model folder {model_path} has no config.json.",
            "Point to a Hugging Face model folder, not to its parent.",
        )
    if needs_weights and not any(folder.glob("*.safetensors")):
        raise EngineError(
            f"The model folder {model_path} has no weights in safetensors.",
            "Convert the weights with save_pretrained; pickled weights are refused because loading them runs code.",
        )


def _load_tokenizer(model_path: str) -> PreTrainedTokenizerBase:
    try:
        tokenizer = AutoTokenizer.from_pretrained(model_path)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"The tokenizer of {model_path} cannot be loaded: {_first_line(error)}",
            "Put tokenizer.json and tokenizer_config.json beside the model, or check the name on the hub.",
        ) from error
    if not tokenizer.chat_template:
        raise EngineError(
            f"The tokenizer of {model_path} has no chat template, so messages cannot be written as text.",
            "Use an instruction-tuned model, or save a chat_template in its tokenizer_config.json.",
        )
    if tokenizer.eos_token_id is None:
        raise EngineError(
            f"The tokenizer of {model_path} names no end-of-sequence token, so answers would never end.",
            "Set eos_token in its tokenizer_config.json to the token that ends a turn.",
        )
    return tokenizer


def _load_model(model_path: str, dtype: torch.dtype) -> PreTrainedModel:
    try:
        return AutoModelForCausalLM.from_pretrained(
            model_path, dtype=dtype, attn_implementation="sdpa", use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise EngineError(
            f"The model {model_path} cannot be loaded: {_first_line(error)}",
            "Use a causal language model with safetensors weights that this Transformers version knows.",
        ) from error


def _random_model(model_path: str, seed: int) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(model_path)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="sdpa")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def _probe(policy: Policy) -> Example:
    """A prompt with two answers of unequal length, made of arbitrary tokens."""
    ids = [(7 * i + 3) % policy.head.vocabulary for i in range(12)]
    return Example(tuple(ids[:5]), (tuple(ids[5:9]), tuple(ids[9:])))


@torch.no_grad()
def _check_head(policy: Policy) -> None:
    """Make sure that the head on the hidden states gives the model's own logits, whatever the architecture."""
    batch = pack([_probe(policy)], packed=False).to(policy.device)
    mask = batch.attention_mask(policy.dtype)
    with policy.autocast():
        expected = policy.model(input_ids=batch.tokens, attention_mask=mask, use_cache=False).logits.flatten(0, 1)
        found = policy.head(policy.hidden_states(batch))
    if not torch.allclose(found[batch.sources].float(), expected[batch.sources].float(), rtol=1e-3, atol=1e-3):
        raise EngineError(
            f"The architecture {policy.model.config.model_type} changes its logits after the LM head in a way that is "
            "not known here.",
            "Choose another base model.",
        )


@torch.no_grad()
def _takes_block_masks(policy: Policy) -> bool:
    """Whether packed and plain batches agree: found out by trying, since any architecture may come along."""
    from training.engine.logprobs import answer_log_probs

    if _slides(policy.model):
        return False
    probe = [_probe(policy), _probe(policy)]
    try:
        packed = answer_log_probs(policy, policy.collate(probe))
    except (RuntimeError, ValueError, TypeError, IndexError):
        return False
    plain = answer_log_probs(policy, pack(probe, packed=False).to(policy.device))
    tolerance = 1e-3 if policy.precision == "fp32" else 2e-2
    return torch.allclose(packed, plain, rtol=tolerance, atol=tolerance)


def _slides(model: PreTrainedModel) -> bool:
    """Whether some layer sees only a window, which a mask of our own would widen on sequences longer than it."""
    config = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        return any(kind != "full_attention" for kind in kinds)
    return getattr(config, "sliding_window", None) is not None
