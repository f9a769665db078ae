"""What a run will take, before it starts: steps, memory and arithmetic, from config.json and a look at the data.

Imports neither Django nor torch. The formulae are rough on purpose and written out where they stand; a factor of two is
good, and the launch page prefers what earlier runs measured (training/throughput.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.config import InspectionConfig, Method, RewardModelConfig, RLHFConfig, RunConfig, TrainingConfig

GIB = 1024**3
# An average over common tokenizers and English text; it is what the page calls a guess.
CHARACTERS_PER_TOKEN = 4.0
# Share of the device's matrix-product rate that training and generation reach.
TRAINING_EFFICIENCY = 0.3
GENERATION_EFFICIENCY = 0.05
# The interpreter, torch and its libraries before any weight is loaded.
RUNTIME_BYTES = int(0.5 * GIB)
# Logits that exist at one time, as training/engine/logprobs.py cuts them.
LOGITS = 1 << 24
# Answers of the base that fix the scale of a reward model, as training/engine/reward.py samples them.
SCALING_SAMPLES = 256


class NoShape(ValueError):
    """A model whose size cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a causal transformer. `attention` is heads times head size, `keys` the same for the key heads."""

    parameters: int
    layers: int
    hidden: int
    intermediate: int
    attention: int
    keys: int
    vocabulary: int

    def adapter_parameters(self, rank: int) -> int:
        """Trained parameters of LoRA on every linear layer: rank times (inputs + outputs), summed."""
        projections = 2 * (self.hidden + self.attention) + 2 * (self.hidden + self.keys)
        feed_forward = 3 * (self.hidden + self.intermediate)
        return self.layers * rank * (projections + feed_forward)

    @property
    def recomputed_per_token(self) -> int:
        """The same where the backward pass computes each layer again: the layers' inputs, and one layer in full."""
        return self.layers * self.hidden + self.saved_per_token // self.layers

    @property
    def saved_per_token(self) -> int:
        """Numbers that one token leaves behind in all layers for the backward pass, without recomputation.

        Inputs of two norms and two blocks, queries, attention output, keys, values, and four vectors of the gated
        feed-forward block. For a Llama (intermediate 2.7 times hidden) this is 17 times hidden a layer, which at two
        bytes is the 34 of Korthikanti et al. (arXiv 2205.05198, eq. 2 without the score matrix).
        """
        return self.layers * (4 * self.hidden + 2 * self.attention + 2 * self.keys + 4 * self.intermediate)


@dataclass(frozen=True, slots=True)
class DataShape:
    """Training rows, different prompts among them, mean lengths in tokens; `rejected` is 0 for demonstrations."""

    rows: int
    prompts: int
    prompt: float
    chosen: float
    rejected: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run takes. Bytes by part on each device; operations of training and of sampling on all together."""

    visits: int
    steps: int
    tokens: int
    memory: dict[str, int]
    training_flops: float
    sampling_flops: float

    @property
    def memory_bytes(self) -> int:
        return sum(self.memory.values())

    def seconds(self, flops_per_second: float) -> float:
        """Duration at a measured rate of matrix products."""
        training = self.training_flops / (flops_per_second * TRAINING_EFFICIENCY)
        return training + self.sampling_flops / (flops_per_second * GENERATION_EFFICIENCY)


def read_shape(folder: Path) -> ModelShape:
    """Sizes of the model in a folder; raises NoShape with a sentence when there is none to read."""
    try:
        config = json.loads((folder / "config.json").read_text())
        return _shape(config.get("text_config", config), count_parameters(folder.glob("*.safetensors")))
    except FileNotFoundError:
        raise NoShape(f"There is no config.json in {folder}.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoShape(f"config.json in {folder} does not describe a causal transformer ({error}).") from None


def count_parameters(files: Iterable[Path]) -> int:
    """Exact number of parameters, from the headers of safetensors files; 0 when there are none."""
    return sum(_header_parameters(path) for path in files)


def _header_parameters(path: Path) -> int:
    """The format: eight bytes of length, little-endian, then that many bytes of JSON."""
    with path.open("rb") as file:
        header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _shape(config: dict[str, Any], parameters: int) -> ModelShape:
    """Sizes under the names of Llama's family, or of GPT-2's where those are missing."""
    hidden = int(config.get("hidden_size") or config["n_embd"])
    heads = int(config.get("num_attention_heads") or config["n_head"])
    head = int(config.get("head_dim") or hidden // heads)
    shape = ModelShape(
        parameters=parameters,
        layers=int(config.get("num_hidden_layers") or config["n_layer"]),
        hidden=hidden,
        intermediate=int(config.get("intermediate_size") or config.get("n_inner") or 4 * hidden),
        attention=heads * head,
        keys=int(config.get("num_key_value_heads") or heads) * head,
        vocabulary=int(config["vocab_size"]),
    )
    return shape if parameters else _with_counted_parameters(shape, tied=bool(config.get("tie_word_embeddings")))


def _with_counted_parameters(shape: ModelShape, *, tied: bool) -> ModelShape:
    """Count from the sizes, for a model whose weights are not here."""
    attention = 2 * shape.hidden * (shape.attention + shape.keys)
    layer = attention + 3 * shape.hidden * shape.intermediate + 2 * shape.hidden
    embeddings = shape.vocabulary * shape.hidden * (1 if tied else 2)
    total = embeddings + shape.layers * layer + shape.hidden
    return ModelShape(
        total, shape.layers, shape.hidden, shape.intermediate, shape.attention, shape.keys, shape.vocabulary
    )


def visited_rows(config: RunConfig, data: DataShape) -> int:
    """Rows that the run sees: the step limit's worth, or what the epochs come to. RLHF visits prompts."""
    if isinstance(config, InspectionConfig):
        return min(config.rows, data.rows)
    assert isinstance(config, TrainingConfig)
    if config.max_steps:
        return config.max_steps * config.batch_size
    return max(1, round(config.epochs * (data.prompts if isinstance(config, RLHFConfig) else data.rows)))


def estimate(method: Method, config: RunConfig, model: ModelShape, data: DataShape) -> Estimate:
    """Steps, memory and arithmetic of a run."""
    visits = visited_rows(config, data)
    row = _row_tokens(method, config, data)
    if not isinstance(config, TrainingConfig):
        looking = 2.0 * model.parameters * visits * row
        return Estimate(visits, 0, int(visits * row), _memory_to_look(config, model, row), looking, 0.0)
    training, sampling = _flops(method, config, model, data, visits, row)
    steps = math.ceil(visits / config.batch_size)
    return Estimate(visits, steps, int(visits * row), _memory(method, config, model, row), training, sampling)


def _row_tokens(method: Method, config: RunConfig, data: DataShape) -> float:
    """Tokens that go through the model for one row: a demonstration, a pair, or a group of sampled answers."""
    limit = config.max_length
    if isinstance(config, RLHFConfig):
        return config.group_size * min(data.prompt + config.max_new_tokens, limit)
    # A prompt is encoded once for both answers.
    prompt = min(data.prompt, limit)
    answers = min(data.chosen, limit - prompt)
    return prompt + answers + (min(data.rejected, limit - prompt) if method.needs_preferences else 0)


def _memory_to_look(config: RunConfig, model: ModelShape, row: float) -> dict[str, int]:
    """Bytes by part of a run that trains nothing: the weights, and one layer's activations at a time."""
    number = _bytes_of(config)
    tokens = max(row, config.tokens_per_pass)
    return {
        "Weights": number * model.parameters,
        "Activations": int(tokens * model.saved_per_token / model.layers * number + _logits(tokens, model)),
        "Runtime": RUNTIME_BYTES,
    }


def _bytes_of(config: RunConfig) -> int:
    return 2 if config.precision == "bf16" else 4


def _logits(tokens: float, model: ModelShape) -> float:
    """The logits of one chunk in fp32, and their gradient."""
    return 2 * 4 * min(tokens * model.vocabulary, LOGITS)


def _memory(method: Method, config: TrainingConfig, model: ModelShape, row: float) -> dict[str, int]:
    """Bytes by part on each device; AdamW keeps two fp32 numbers beside each trained weight and its gradient.

    Under LoRA the frozen base lies in the run's precision, and reference and reward model share it. Weights trained in
    full lie in fp32 (bf16 adds the copy that autocast keeps); RLHF then holds policy, reference and reward model.
    Devices share a policy's weights, gradients and moments (FSDP2), and each gathers two layers at a time, and what
    lies outside the layers. Frozen models of RLHF, and a reward model in training, are whole on every device.
    """
    number = _bytes_of(config)
    full = config.tuning == "full"
    trained = _trained_parameters(config, model)
    shards = 1 if method is Method.REWARD else config.devices
    weights = ((4 if number == 4 else 6) if full else number) * model.parameters + (0 if full else 4 * trained)
    frozen = _frozen_bytes(config, model) if isinstance(config, RLHFConfig) else 0
    # Batches larger than one pass are split, but never within a row; each device takes its share of a step.
    tokens = max(row, min(config.batch_size * row / config.devices, config.tokens_per_pass))
    kept = model.recomputed_per_token if config.gradient_checkpointing else model.saved_per_token
    logits = 0 if method is Method.REWARD else _logits(tokens, model)
    parts = {
        "Weights": weights // shards + frozen,
        "Gathered layers": _gathered(model, 4 if full else number) if shards > 1 else 0,
        "Gradients": 4 * trained // shards,
        "AdamW": 8 * trained // shards,
        "Activations": int(tokens * kept * number + logits),
        "vLLM": _vllm_bytes(config, model, row) if isinstance(config, RLHFConfig) and config.sampler == "vllm" else 0,
        "Runtime": RUNTIME_BYTES,
    }
    return {part: size for part, size in parts.items() if size}


def _trained_parameters(config: TrainingConfig, model: ModelShape) -> int:
    """Every weight or the adapter's, and the head on the hidden states that scores or values them."""
    body = model.parameters if config.tuning == "full" else model.adapter_parameters(config.lora_rank)
    has_head = isinstance(config, RewardModelConfig) or (isinstance(config, RLHFConfig) and config.algorithm == "ppo")
    return body + (model.hidden if has_head else 0)


def _frozen_bytes(config: RLHFConfig, model: ModelShape) -> int:
    """Reference and reward model beside the policy: copies in full; under LoRA the same base, and one adapter more.

    Where devices share the policy, the base that reference and reward model use stays whole beside the policy's part.
    """
    number = _bytes_of(config)
    if config.tuning == "full":
        return 2 * (4 if number == 4 else 6) * model.parameters
    return 4 * model.adapter_parameters(config.lora_rank) + (number * model.parameters if config.devices > 1 else 0)


def _gathered(model: ModelShape, number: int) -> int:
    """Two layers (one at work, one on its way) and the embeddings, which are outside the layers."""
    embeddings = model.vocabulary * model.hidden
    return number * (2 * max(0, model.parameters - embeddings) // model.layers + embeddings)


def _vllm_bytes(config: RLHFConfig, model: ModelShape, row: float) -> int:
    """A second copy of the weights, and keys and values of every token of the step's answers.

    Counted beside the activations, as on a processor; on a GPU vLLM sleeps while the policy is updated.
    """
    cache = 2 * model.layers * model.keys * config.batch_size * row
    return int(_bytes_of(config) * (model.parameters + cache))


def _flops(
    method: Method, config: TrainingConfig, model: ModelShape, data: DataShape, visits: int, row: float
) -> tuple[float, float]:
    """Operations of training and of sampling: per token and parameter 2 forward, 2 to the inputs, 2 to the weights.

    A frozen weight needs no last two; recomputed activations cost a second forward pass. The reference costs one more
    over every row that is used: once for cached log-probabilities, at every step for sampled answers.
    """
    per_token = (6 if config.tuning == "full" else 4) * model.parameters
    per_token += 2 * model.parameters if config.gradient_checkpointing else 0
    if isinstance(config, RLHFConfig):
        pair = data.prompt + data.chosen + data.rejected
        reward_model = per_token * config.reward.epochs * data.rows * pair
        judging = 4 * model.parameters * visits * row
        sampling = 2 * model.parameters * visits * config.group_size * config.max_new_tokens
        return reward_model + config.updates_per_batch * per_token * visits * row + judging, sampling
    if isinstance(config, RewardModelConfig):
        scaling = 2 * model.parameters * min(SCALING_SAMPLES, data.prompts) * config.max_new_tokens
        return config.members * per_token * visits * row, scaling
    reference = 2 * model.parameters * min(visits, data.rows) * row if method.has_reference else 0
    return per_token * visits * row + reference, 0.0
